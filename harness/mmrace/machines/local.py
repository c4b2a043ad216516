# SPDX-License-Identifier: GPL-2.0
"""The machine that this runs on, by name only (`--on local`): the same agent over a pipe."""

import json
import os
import selectors
import subprocess
from pathlib import Path
from typing import Any

from mmrace.machines.base import MachineLost, Message


class LocalMachine:
    """The agent as a child process."""

    kind = "local"

    def __init__(self, agent: Path, run: Path) -> None:
        self.run = run
        self._agent = agent
        self._process: subprocess.Popen[bytes] | None = None
        self._torn = b""

    def record(self) -> dict[str, Any]:
        """The part of a cell's record that names the machine."""
        return {"kind": "local", "accel": "none", "variant": "local",
                "vcpus": os.cpu_count() or 1, "host": os.uname().nodename}

    def __enter__(self) -> "LocalMachine":
        self.run.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen([str(self._agent), "--stdio"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._process:
            return
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def send(self, line: str) -> None:
        """Send one command line to the agent."""
        assert self._process and self._process.stdin
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self.death() from None

    def poll(self) -> list[Message]:
        """Whole records that are there now; kept in events.ndjson as they come."""
        assert self._process and self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout=0.01):
                return []
        data = os.read(self._process.stdout.fileno(), 1 << 16)
        with (self.run / "events.ndjson").open("ab") as log:
            log.write(data)
        *lines, self._torn = (self._torn + data).split(b"\n")
        return [json.loads(line) for line in lines if line]

    def alive(self) -> bool:
        """Whether the agent still runs."""
        return self._process is not None and self._process.poll() is None

    def death(self) -> MachineLost:
        """The agent's end, which on a machine that goes on is a fault of ours."""
        code = self._process.returncode if self._process else None
        return MachineLost("lost", f"the agent ended with code {code}")

    def console(self) -> str:
        """A local machine has no console of its own; its kernel log comes through the agent."""
        return ""

    def power_off(self) -> None:
        """A local machine is left running."""

# SPDX-License-Identifier: GPL-2.0
"""An agent behind a child process's stdin and stdout: this machine's own, or one over ssh."""

import os
import selectors
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from mmrace import canary
from mmrace.machines.base import MachineLost, Message, parse_records


class PipeMachine:
    """The part of a machine that is a pipe to an agent; `command` starts it."""

    def __init__(self, command: Sequence[str], run: Path) -> None:
        self.run = run
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._torn = b""

    def __enter__(self) -> Self:
        self.run.mkdir(parents=True, exist_ok=True)
        with (self.run / "agent.log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=log,
                                             process_group=0)  # Ctrl-C is for us alone.
        return self

    def __exit__(self, *_: object) -> None:
        if not self._process:
            return
        if self._process.stdin:
            try:
                self._process.stdin.close()
            except OSError:
                pass    # it is gone, and what was to be flushed with it
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
        return parse_records(lines)

    def alive(self) -> bool:
        """Whether the child process still runs."""
        return self._process is not None and self._process.poll() is None

    def use(self) -> canary.Use:
        """Nobody knows: the races are not this process's."""
        return canary.NOBODY_KNOWS

    def death(self) -> MachineLost:
        """Why it does not run any more."""
        raise NotImplementedError

    def silence(self, detail: str) -> MachineLost:
        """Nothing is known of it but that."""
        return MachineLost("hang", detail)

    def autopsy(self) -> None:
        """Nothing can be asked of a silent machine but through its console."""

    def complaint(self) -> str:
        """The last line that the child process said on stderr."""
        text = (self.run / "agent.log").read_text(errors="replace").strip()
        return text.splitlines()[-1].strip() if text else "it said nothing"

    def exit_code(self) -> int | None:
        """The child process's exit code, None while it runs."""
        return self._process.poll() if self._process else None

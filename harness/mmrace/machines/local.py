# SPDX-License-Identifier: GPL-2.0
"""The machine that this runs on, by name only (`--on local`): the same agent over a pipe."""

import os
from pathlib import Path
from typing import Any

from mmrace.machines.base import MachineLost
from mmrace.machines.pipe import PipeMachine


class LocalMachine(PipeMachine):
    """The agent as a child process."""

    kind = "local"

    def __init__(self, agent: Path, run: Path) -> None:
        super().__init__([str(agent), "--stdio"], run)

    def record(self) -> dict[str, Any]:
        """The part of a cell's record that names the machine."""
        return {"kind": "local", "accel": "none", "variant": "local",
                "vcpus": os.cpu_count() or 1, "host": os.uname().nodename}

    def death(self) -> MachineLost:
        """The agent's end, which on a machine that goes on is a fault of ours."""
        return MachineLost("lost", f"the agent ended with code {self.exit_code()}: "
                                   f"{self.complaint()}")

    def console(self) -> str:
        """A local machine has no console of its own; its kernel log comes through the agent."""
        return ""

    def power_off(self) -> None:
        """A local machine is left running."""

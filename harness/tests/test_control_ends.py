# SPDX-License-Identifier: GPL-2.0
"""A control ends when it is proven: its duration is a limit (docs/contracts.md, section 2)."""

from pathlib import Path

import pytest

from mmrace.machines.base import Message
from tests.guest_programs import guest

pytestmark = pytest.mark.guest

LIMIT_S, DURATION_S = 300, 3600
FAILED = 1


def test_a_proven_control_ends(tmp_path: Path) -> None:
    with guest("debian:trixie", "x86_64", [], tmp_path, races=("stale-translation",)) as machine:
        said: list[Message] = []
        end = machine.agent.run(["/mmrace/races/stale-translation", "--mode", "control",
                                 "--duration", str(DURATION_S)], LIMIT_S, said.append)
        assert (end["status"], end["timed_out"]) == (FAILED, False), said[-20:]

# SPDX-License-Identifier: GPL-2.0
"""A control ends when it is proven: its duration is a limit (docs/contracts.md, section 2)."""

from pathlib import Path

import pytest

from tests.guest_programs import guest

pytestmark = pytest.mark.guest

# A control that went on would be cut off, and have no exit status.
LIMIT_S, DURATION_S = 300, 3600
FAILED = 1


def test_a_proven_control_ends(tmp_path: Path) -> None:
    with guest("debian:trixie", "x86_64", [], tmp_path, races=("stale-translation",)) as machine:
        status, lines = machine.run(["stale-translation", "--mode", "control",
                                     "--duration", str(DURATION_S)], LIMIT_S)
        assert status == FAILED, "\n".join(lines[-20:])

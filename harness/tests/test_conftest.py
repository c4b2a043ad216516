# SPDX-License-Identifier: GPL-2.0
"""What all tests share: one more try where the emulator is at fault, and there only."""

from types import SimpleNamespace
from typing import Any

import pytest

from mmrace.machines.base import MachineLost
from tests.conftest import pytest_pyfunc_call

TRIES: list[str] = []


def test_a_guest_that_the_emulator_broke_is_tried_once_more() -> None:
    TRIES.append("emulator")
    if len(TRIES) == 1:
        raise MachineLost("emulator", "a stale int3")
    assert TRIES == ["emulator", "emulator"]


def test_other_losses_are_not_tried_again() -> None:
    def fails() -> None:
        TRIES.append("panic")
        raise MachineLost("panic", "Kernel panic")

    item: Any = SimpleNamespace(obj=fails, funcargs={}, _fixtureinfo=SimpleNamespace(argnames=()))
    with pytest.raises(MachineLost):
        pytest_pyfunc_call(item)
    assert TRIES.count("panic") == 1

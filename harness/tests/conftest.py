# SPDX-License-Identifier: GPL-2.0
"""What holds for all tests."""

import pytest

from mmrace.machines.base import MachineLost
from mmrace.session import EMULATOR_FAULTS


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """An emulator that broke its own guest has said nothing: such a test is run once more."""
    words = {name: pyfuncitem.funcargs[name]
             for name in pyfuncitem._fixtureinfo.argnames}
    try:
        pyfuncitem.obj(**words)
    except MachineLost as lost:
        if lost.kind not in EMULATOR_FAULTS:
            raise
        print(f"{lost}; run once more")
        pyfuncitem.obj(**words)
    return True

# SPDX-License-Identifier: GPL-2.0
"""The cells of an mmrace guest as tests under labgrid:

    pytest --lg-env NAME.yaml test_cells.py
"""

import contextlib
import json
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import]
import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each cell of the environment, in the order in which the guest runs them."""
    environment = metafunc.config.getoption("lg_env")
    if "cell" in metafunc.fixturenames:
        cells = json.loads(Path(environment).with_suffix(".json").read_text())["cells"]
        metafunc.parametrize("cell", cells, ids=[cell["name"] for cell in cells])


def _boot(driver: Any, first_word: str, boot_s: float) -> str:
    """Boot the guest until it has said its first word; why it did not, or nothing."""
    driver.on()
    deadline_s = time.monotonic() + boot_s
    while time.monotonic() < deadline_s and driver._child.poll() is None:
        # In slices: labgrid reads on from the console of a QEMU that is gone.
        with contextlib.suppress(pexpect.TIMEOUT):
            driver.expect(re.escape(first_word), timeout=1)
            return ""
    ended = driver._child.poll()
    driver._child.kill()
    driver._child.wait()
    driver.status = 0
    return (f"the guest said nothing in {boot_s} s" if ended is None else
            f"the emulator ended with {ended} while the guest booted")


@pytest.fixture(name="console", scope="session")
def console_fixture(env: Any, pytestconfig: pytest.Config) -> Iterator[Any]:
    """The console of the guest, which has said its first word."""
    said = json.loads(Path(pytestconfig.getoption("lg_env")).with_suffix(".json").read_text())
    driver = env.get_target().get_driver("QEMUDriver")
    # Nothing of ours has run yet, and QEMU 10.0 loses a boot at times: it fails an assertion
    # while PCI devices are mapped (iotlb_to_section(), system/physmem.c), or forgets a timer.
    why = _boot(driver, said["first_word"], said["boot_s"])
    if why:
        warnings.warn(f"{why}; booted once more")
        why = _boot(driver, said["first_word"], said["boot_s"])
    assert not why, why
    yield driver
    with contextlib.suppress(pexpect.TIMEOUT):  # a guest that panicked says no last word
        driver.expect(re.escape(said["last_word"]), timeout=said["between_s"])
    driver._child.kill()    # it may have powered off, of which off() would complain
    driver._child.wait()
    driver.status = 0


def test_cell(console: Any, cell: dict[str, str]) -> None:
    """The race ends without a failure, or, in a control, with one; its exit code 4 is a skip."""
    result = rf'"t":"exit","id":"{re.escape(cell["name"])}","status":([0-9]+|null)'
    _, before, match, _ = console.expect([result, "Kernel panic[^\r\n]*"],
                                         timeout=cell["seconds"])
    words = match.group(0).decode()
    assert "Kernel panic" not in words, f"{words}; again with: {cell['replay']}"
    status = match.group(1).decode()
    if status == "4":
        pytest.skip(f"something that the race needs is missing: {before.decode()[-500:]}")
    assert status == cell["good"], (f"the race ended with {status} where {cell['good']} is good; "
                                    f"again with: {cell['replay']}")

# SPDX-License-Identifier: GPL-2.0
"""Nonsense for every file and ioctl of the module: a clear error each, and the kernel goes on."""

import os
from pathlib import Path

import pytest

from tests.guest_programs import GUESTS, guest

pytestmark = pytest.mark.guest

INPUTS = int(os.environ.get("MMRACE_FUZZ_INPUTS", "100000"))
SEED = int(os.environ.get("MMRACE_FUZZ_SEED", "1"))


@pytest.mark.parametrize("kernel,arch", GUESTS)
def test_nonsense_is_refused(kernel: str, arch: str, tmp_path: Path) -> None:
    with guest(kernel, arch, ["fuzz"], tmp_path, params="") as machine:
        status, lines = machine.run(["fuzz", str(INPUTS), str(SEED)], 60 + INPUTS / 200)
        print("\n".join(lines))
        assert status == 0, "\n".join(lines)
        assert machine.splats() == []
        assert machine.module.write("windows", "off") is None
        assert machine.module.write("target", "none") is None
        assert machine.module.pairs("version")["abi"]
        answer = machine.agent.request("rmmod", "mmrace")
        assert answer["ok"], answer["error"]
        assert machine.splats() == []

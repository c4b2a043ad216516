# SPDX-License-Identifier: GPL-2.0
"""A module that was loaded without plants: what needs them is refused, and all nonsense is."""

import errno
import os
from pathlib import Path

import pytest

from tests.guest_programs import GUESTS, guest

pytestmark = pytest.mark.guest

INPUTS = int(os.environ.get("MMRACE_FUZZ_INPUTS", "100000"))
SEED = int(os.environ.get("MMRACE_FUZZ_SEED", "1"))


@pytest.mark.parametrize("kernel,arch,variant", GUESTS)
def test_what_must_be_refused_is(kernel: str, arch: str, variant: str, tmp_path: Path) -> None:
    with guest(kernel, arch, ["device", "mirror", "fuzz"], tmp_path, variant=variant,
               params="") as machine:
        eperm = os.strerror(errno.EPERM)
        assert machine.module.write("plants", "skip.notifier on") == eperm
        assert machine.module.write("checkers", "enable all") is None
        assert machine.module.write("selftest", "mm-exit") == eperm
        assert machine.module.findings() == []
        for program in ("device", "mirror"):
            status, lines = machine.run([program], 240)
            assert status == 0, "\n".join(lines)
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

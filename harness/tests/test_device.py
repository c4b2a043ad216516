# SPDX-License-Identifier: GPL-2.0
"""/dev/mmrace in a guest: every call, every refusal, and mirrors that are broken on purpose."""

from pathlib import Path

import pytest

from tests.guest_programs import GUESTS, guest

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("kernel,arch,variant", GUESTS)
def test_every_call_of_the_device(kernel: str, arch: str, variant: str, tmp_path: Path) -> None:
    programs = ["device", "mirror"]
    with guest(kernel, arch, programs, tmp_path, variant=variant) as machine:
        for program in programs:
            status, lines = machine.run([program], 240)
            print("\n".join(lines))
            assert status == 0, "\n".join(lines)
            assert not [line for line in lines if line.startswith("not ok")]
        assert machine.splats() == []
        answer = machine.agent.request("rmmod", "mmrace")
        assert answer["ok"], answer["error"]

# SPDX-License-Identifier: GPL-2.0
"""Every plant of a kernel acts on a target that does what it is about, and goes when it is off."""

from pathlib import Path

import pytest

from tests.guest_programs import GUESTS, Guest, guest

pytestmark = pytest.mark.guest


def lingering(machine: Guest) -> int:
    """How many of ten mms a kernel thread still writes to after they were torn down."""
    assert machine.module.write("target", "all") is None
    status, lines = machine.run(["device", "lingers"], 60)
    assert machine.module.write("target", "none") is None
    assert status == 0, "\n".join(lines)
    print(lines[-1])
    return int(lines[-1].split()[1])


@pytest.mark.parametrize("kernel,arch,variant", GUESTS)
def test_every_plant_acts(kernel: str, arch: str, variant: str, tmp_path: Path) -> None:
    with guest(kernel, arch, ["deeds", "device"], tmp_path, variant=variant) as machine:
        for plant in [row["name"] for row in machine.module.table("plants")
                      if row["state"] == "off"]:
            assert machine.module.write("plants", f"{plant} on") is None
            status, lines = machine.run(["deeds", "/scratch/ext4-brd", "3"], 120)
            assert status in (0, None), "\n".join(lines)
            assert machine.module.write("plants", f"{plant} off") is None
        rows = {row["name"]: row for row in machine.module.table("plants")}
        assert lingering(machine) == 0
        if rows["early.fullmm"]["state"] == "off":
            assert machine.module.write("plants", "early.fullmm on") is None
            late = lingering(machine)
            assert machine.module.write("plants", "early.fullmm off") is None
            assert late > 0
        for name, row in rows.items():
            print(name, row["state"], row["symbol"], row["hits"], row["reason"])
        idle = {name for name, row in rows.items() if row["state"] == "off" and row["hits"] == "0"}
        assert not idle
        assert machine.splats() == []
        assert {row["state"] for row in rows.values()} <= {"off", "absent"}

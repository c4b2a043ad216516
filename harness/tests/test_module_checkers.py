# SPDX-License-Identifier: GPL-2.0
"""The checkers: each reports a forged breach, the plants make real ones, a good kernel has none."""

import errno
import os
import time
from pathlib import Path

import pytest

from tests.guest_programs import GUESTS, Guest, guest

pytestmark = pytest.mark.guest

# The plant that breaks a law, where one does.
BREAKS = {
    "free-after-flush": "skip.tlb.zap",
    "rmap-after-flush": "early.rmap",
    "table-after-flush": "early.fullmm",
    "pmd-address": "thp.wrong-address",
    "notifier-covers": "skip.notifier",
}


def laws(machine: Guest) -> set[str]:
    """The laws that were seen broken, since the last call."""
    found = {record["law"] for record in machine.module.findings() if "law" in record}
    assert machine.module.write("reset", "1") is None
    return found


def deeds(machine: Guest) -> None:
    """Everything that the laws are about, by targets.

    Some laws are judged only when all probes have been there for a second.
    """
    time.sleep(1.5)
    status, lines = machine.run(["deeds", "/scratch/ext4-brd", "4"], 120)
    assert status in (0, None), "\n".join(lines)


@pytest.mark.parametrize("kernel,arch,variant", GUESTS)
def test_a_good_kernel_keeps_the_laws_and_a_broken_one_is_told(kernel: str, arch: str,
                                                               variant: str,
                                                               tmp_path: Path) -> None:
    with guest(kernel, arch, ["deeds"], tmp_path, variant=variant) as machine:
        module = machine.module
        checkers = {row["name"]: row for row in module.table("checkers")}
        print(module.read("caps"))
        assert module.write("selftest", "mm-exit") == os.strerror(errno.EINVAL), "it is not enabled"
        assert module.write("checkers", "enable all") is None
        deciding = {name for name, row in checkers.items() if row["decides"] == "yes"}
        deeds(machine)
        broken = laws(machine)
        # 5.10 and 6.1 break this one by nature (fixed by v6.2, 5df397dec7c4).
        assert broken <= {"rmap-after-flush"}
        assert not broken or module.pairs("caps")["delayed_rmap"] == "no"
        for name in checkers:
            error = module.write("selftest", name)
            assert error == (None if name in deciding else os.strerror(errno.EOPNOTSUPP)), name
            assert laws(machine) == ({name} if name in deciding else set())
        plants = {row["name"]: row["state"] for row in module.table("plants")}
        for law, plant in BREAKS.items():
            # On s390 the plant takes away the mark by which alone the flush is known.
            invisible = arch == "s390x" and law == "table-after-flush"
            if law not in deciding or plants[plant] == "absent" or invisible:
                print(f"{law}: cannot be planted or judged here")
                continue
            assert module.write("plants", f"{plant} on") is None
            deeds(machine)
            assert module.write("plants", f"{plant} off") is None
            seen = laws(machine)
            print(f"{plant}: {sorted(seen)}")
            assert law in seen
        if "rmap-after-flush" in deciding:
            # Without that probe a clean mapping of a folio looks like a dirty one.
            assert module.write("probes", "disable gather.page") is None
            assert module.write("selftest", "rmap-after-flush") == os.strerror(errno.EOPNOTSUPP)
        assert machine.splats() == []

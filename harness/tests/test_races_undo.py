# SPDX-License-Identifier: GPL-2.0
"""Races that are killed in a guest: swap, KSM, pools, windows and plants are as they were."""

from pathlib import Path

import pytest

from tests.guest_programs import guest

pytestmark = pytest.mark.guest

# What each changes outside of itself, and how it is asked to.
KILLED = (["reclaim-write", "--swap", "zram", "--mode", "widened"],
          ["lazy-mmu", "--change", "swapcycle", "--mode", "control"],
          ["one-memory", "--change", "ksm"],
          ["thp-split-gup", "--change", "khugepaged", "--memory", "shmem"],
          ["hugetlb-unshare", "--how", "part"])


def test_killed_races_leave_nothing(tmp_path: Path) -> None:
    with guest("debian:trixie", "x86_64", ["killed"], tmp_path,
               races=tuple(argv[0] for argv in KILLED),
               modules=("zram? num_devices=0",)) as machine:
        for argv in KILLED:
            status, lines = machine.run(["killed", *argv, "--duration", "60"], 120)
            assert status == 0, f"{' '.join(argv)}: {status}\n" + "\n".join(lines)

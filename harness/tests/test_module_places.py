# SPDX-License-Identifier: GPL-2.0
"""How the kernel has armed the module's probes, by its own account."""

import os
from pathlib import Path

import pytest

from tests.guest_programs import GUESTS, guest

pytestmark = pytest.mark.guest

SECONDS = os.environ.get("MMRACE_MOVED_S", "10")


@pytest.mark.parametrize("kernel,arch,variant", GUESTS)
def test_no_probe_loads_r13_on_a_preemptible_ppc64(kernel: str, arch: str, variant: str,
                                                   tmp_path: Path) -> None:
    with guest(kernel, arch, [], tmp_path, variant=variant) as machine:
        caps = machine.module.pairs("caps")
        probes = [row for row in machine.module.probes() if row.state == "armed"]
        listed = (machine.agent.read("/sys/kernel/debug/kprobes/list") or "").splitlines()
        flags = {"[FTRACE]", "[OPTIMIZED]"}
        other = [line for line in listed if flags & set(line.split())]
        print(caps["kprobes"], caps["preempt"], len(listed), len(other))
        assert len(listed) > len(probes) > 10
        if caps["kprobes"] == "traps":
            assert not other, "\n".join(other)
        else:
            assert other
            assert arch != "ppc64le" or caps["preempt"] not in ("lazy", "full", "rt")
        assert machine.splats() == []


@pytest.mark.parametrize("kernel,arch,variant", GUESTS)
def test_who_is_moved_in_a_probe_stays_whole(kernel: str, arch: str, variant: str,
                                             tmp_path: Path) -> None:
    with guest(kernel, arch, ["moved"], tmp_path, variant=variant) as machine:
        assert machine.module.write("target", "all") is None
        status, lines = machine.run(["moved", SECONDS], int(SECONDS) + 60)
        print("\n".join(lines))
        assert status == 0, "\n".join(lines)
        hits = {probe.name: probe.hits for probe in machine.module.probes()}
        assert hits["gather.begin"] and hits["gather.finish"]
        assert machine.splats() == []

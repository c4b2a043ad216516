# SPDX-License-Identifier: GPL-2.0
"""The tracepoints mmrace:* as tracefs shows and records them."""

from pathlib import Path

import pytest

from tests.guest_programs import guest

pytestmark = pytest.mark.guest

TRACING = "/sys/kernel/debug/tracing"


def test_tracefs_records_what_the_module_sees(tmp_path: Path) -> None:
    with guest("debian:trixie", "x86_64", ["deeds"], tmp_path) as machine:
        agent, module = machine.agent, machine.module
        assert set((agent.read(f"{TRACING}/events/mmrace") or "").split()) >= {
            "finding", "plant_hit", "probe_hit", "window_delay"}
        # Fifty probes hit often: room for the seldom ones.
        assert agent.write(f"{TRACING}/buffer_size_kb", "8192") is None
        assert agent.write(f"{TRACING}/events/mmrace/enable", "1") is None
        assert agent.write(f"{TRACING}/events/mmrace/probe_hit/filter",
                           'name == "mm.exit"') is None
        assert module.write("windows", "mm.exit 1000 2000 1/1 100000") is None
        assert module.write("checkers", "enable all") is None
        assert module.write("plants", "early.fullmm on") is None
        status, lines = machine.run(["deeds", "/scratch/ext4-brd", "1"], 60)
        assert status in (0, None), "\n".join(lines)
        assert module.write("plants", "off") is None
        assert agent.write(f"{TRACING}/events/mmrace/enable", "0") is None
        trace = agent.read(f"{TRACING}/trace") or ""
        for said in ("probe_hit: mm.exit mm=", "window_delay: mm.exit ",
                     "plant_hit: early.fullmm mm=", "finding: table-after-flush mm="):
            assert said in trace, said
        assert agent.request("rmmod", "mmrace")["ok"]
        assert machine.splats() == []

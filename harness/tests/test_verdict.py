# SPDX-License-Identifier: GPL-2.0
"""A verdict never claims more than was observed, and no doubt hides a failure."""

import dataclasses
from typing import Any

import pytest

from mmrace.cell import Cell, Observation
from mmrace.commands.run import lacks_only_a_control
from mmrace.verdict import Verdict, exit_code, judge

DESCRIBE = {"control": "early.rmap", "exposure": {"counter": "exposure.x", "min": 10}}
CELL = Cell("debian:trixie", "x86_64", "lost-write", "widened", 5, 1)
PROVEN: dict[str, str] = {}  # by a control that was run without options, as the cell is


def clean(**changes: Any) -> Observation:
    """A cell that ran to its end, exposed and silent."""
    seen = Observation(describe=DESCRIBE, end={"status": "pass", "reason": ""}, rounds=100,
                       exit_status=0, counters={"exposure.x": 10}, counters_read=True)
    return dataclasses.replace(seen, **changes)


def test_pass_needs_everything() -> None:
    assert judge(CELL, clean(), PROVEN)[0] == Verdict.PASS


@pytest.mark.parametrize("changes, proven, why", [
    ({}, None, "control"),
    ({"counters": {"exposure.x": 9}}, PROVEN, "exposure.x is 9"),
    ({"counters": {}}, PROVEN, "exposure.x is 0"),
    ({"counters_read": False}, PROVEN, "could not be read"),
    ({"describe": {"control": "early.rmap", "exposure": None}}, PROVEN, "no exposure counter"),
])
def test_any_doubt_is_inconclusive(changes: dict[str, Any], proven: dict[str, str] | None,
                                   why: str) -> None:
    verdict, reason = judge(CELL, clean(**changes), proven)
    assert verdict == Verdict.INCONCLUSIVE
    assert why in reason


@pytest.mark.parametrize("counted, verdict", [(20, Verdict.PASS), (19, Verdict.INCONCLUSIVE)])
def test_a_race_names_what_the_parts_that_ran_are_exposed_by(counted: int,
                                                             verdict: Verdict) -> None:
    end = {"status": "pass", "reason": "", "exposure": {"counter": "probe.y", "min": 20}}
    seen = clean(end=end, counters={"exposure.x": 0, "probe.y": counted})
    got, reason = judge(CELL, seen, PROVEN)
    assert got == verdict
    assert "probe.y" in reason


def test_a_proof_of_the_whole_race_is_said_to_be_one() -> None:
    part = dataclasses.replace(CELL, options=(("zap", "munmap"),))
    assert judge(part, clean(), {"zap": "munmap"})[1].endswith("; control proven")
    assert judge(part, clean(), PROVEN) == (
        Verdict.PASS, "no failure in 100 rounds, exposed 10 times (exposure.x); control proven "
                      "without these options")


def test_a_missing_module_makes_natural_inconclusive_and_widened_an_error() -> None:
    seen = clean(module_error="the module did not load: Exec format error", counters_read=False)
    natural = dataclasses.replace(CELL, mode="natural")
    assert judge(natural, seen, PROVEN)[0] == Verdict.INCONCLUSIVE
    assert judge(CELL, seen, PROVEN) == (Verdict.ERROR, seen.module_error)


@pytest.mark.parametrize("changes, verdict", [
    ({"failures": 1, "exit_status": 1}, Verdict.RACE),
    ({"failures": 1, "lost_kind": "panic", "lost_detail": "Kernel panic"}, Verdict.RACE),
    ({"failures": 3, "counters_read": False}, Verdict.RACE),
    ({"lost_kind": "panic", "lost_detail": "Kernel panic"}, Verdict.PANIC),
    ({"lost_kind": "hang", "lost_detail": "silent"}, Verdict.HANG),
    ({"lost_kind": "lost", "lost_detail": "QEMU ended"}, Verdict.INFRA),
    ({"lost_kind": "emulator", "lost_detail": "stale int3"}, Verdict.INFRA),
    ({"splats": [{"title": "WARNING in x", "verdict": "SPLAT"}]}, Verdict.SPLAT),
    ({"splats": [{"title": "WARNING in x", "verdict": "SPLAT"},
                 {"title": "rcu stall", "verdict": "HANG"}]}, Verdict.HANG),
    ({"findings": [{"law": "l", "what": "w"}]}, Verdict.FINDING),
    ({"taint_before": 1 << 12, "taint_after": 1 << 12 | 1 << 9}, Verdict.SPLAT),
    ({"oom_killed": "lost-write", "exit_status": None, "exit_signal": 9}, Verdict.ERROR),
    ({"exit_status": 4, "end": {"reason": "no swap"}}, Verdict.SKIP),
    ({"exit_status": 5}, Verdict.ERROR),
    ({"exit_status": 127}, Verdict.ERROR),
    ({"exit_status": None, "exit_signal": 11}, Verdict.ERROR),
    ({"timed_out": True}, Verdict.ERROR),
    ({"end": None}, Verdict.ERROR),
    ({"interrupted": True}, Verdict.INFRA),
    ({"interrupted": True, "splats": [{"title": "BUG", "verdict": "SPLAT"}]}, Verdict.SPLAT),
])
def test_what_was_seen_decides(changes: dict[str, Any], verdict: Verdict) -> None:
    assert judge(CELL, clean(**changes), PROVEN)[0] == verdict


def test_a_race_that_was_stopped_is_heard() -> None:
    stuck = {"status": "error", "reason": "no progress for 120 s in round 7"}
    assert judge(CELL, clean(timed_out=True, end=stuck), PROVEN)[1].endswith(stuck["reason"])


def test_a_loss_with_a_panic_says_both() -> None:
    seen = clean(failures=2, lost_kind="panic", lost_detail="Kernel panic - not syncing")
    reason = judge(CELL, seen, PROVEN)[1]
    assert "2 times in 100 rounds" in reason and "Kernel panic" in reason


def test_a_failure_that_was_seen_before_an_interruption_is_one_and_proves_no_control() -> None:
    seen = clean(failures=2, interrupted=True)
    verdict, reason = judge(CELL, seen, PROVEN)
    assert verdict == Verdict.RACE and reason.endswith("; then interrupted")
    assert judge(dataclasses.replace(CELL, mode="control"), seen, PROVEN) == (
        Verdict.INFRA, "interrupted before the end")


def test_missed_probes_are_said() -> None:
    assert "7 probe hits were missed" in judge(CELL, clean(missed={"tlb.flush": 7}), PROVEN)[1]


def test_control_passes_only_when_the_plant_was_detected() -> None:
    control = dataclasses.replace(CELL, mode="control")
    assert judge(control, clean(failures=1), None)[0] == Verdict.PASS
    assert judge(control, clean(), None)[0] == Verdict.INCONCLUSIVE
    without = clean(describe={"control": None})
    assert judge(control, without, None)[0] == Verdict.SKIP
    at_boot = clean(describe={}, lost_kind="panic", lost_detail="no timer")
    assert judge(control, at_boot, None)[0] == Verdict.PANIC


def test_what_a_kernel_shows_unplanted_proves_no_control_but_by_data() -> None:
    control = dataclasses.replace(CELL, mode="control")
    own = (Verdict.RACE, Verdict.SPLAT)
    warned = clean(splats=[{"verdict": "SPLAT", "title": "WARNING in ext4_dirty_folio"}])
    assert judge(control, warned, None)[0] == Verdict.PASS
    verdict, reason = judge(control, warned, None, own)
    assert verdict == Verdict.INCONCLUSIVE and "without the plant" in reason
    verdict, reason = judge(control, clean(failures=1), None, own)
    assert verdict == Verdict.PASS and "as it does on this kernel without it" in reason


@pytest.mark.parametrize("verdicts, code", [
    ([Verdict.PASS], 0),
    ([Verdict.PASS, Verdict.RACE], 1),
    ([Verdict.INCONCLUSIVE, Verdict.PASS], 125),
    ([Verdict.RACE, Verdict.SKIP], 1),
    ([Verdict.RACE, Verdict.INFRA], 128),
    ([Verdict.ERROR, Verdict.PASS], 129),
])
def test_exit_codes_fit_git_bisect(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(verdicts) == code


def test_a_taint_that_was_there_before_or_tells_no_failure_is_none() -> None:
    warned = 1 << 9
    out_of_tree = 1 << 12
    for before, after in ((warned, warned), (0, out_of_tree), (None, warned), (warned, None)):
        assert judge(CELL, clean(taint_before=before, taint_after=after), PROVEN)[0] == Verdict.PASS
    _, reason = judge(CELL, clean(taint_before=0, taint_after=warned), PROVEN)
    assert "warning" in reason


def test_an_oom_kill_of_ours_is_named() -> None:
    seen = clean(oom_killed="lost-write", exit_status=None, exit_signal=9)
    assert "OOM killer took lost-write" in judge(CELL, seen, PROVEN)[1]


ENOUGH = {"verdict": "INCONCLUSIVE", "mode": "natural",
          "exposure": {"counter": "exposure.x", "count": 7, "min": 5}}


@pytest.mark.parametrize("changes, lacks", [
    ({}, True),
    ({"mode": "control"}, False),
    ({"verdict": "SKIP"}, False),
    ({"verdict": "RACE"}, False),
    ({"exposure": None}, False),
    ({"exposure": {"counter": None, "count": 0, "min": 0}}, False),
    ({"exposure": {"counter": "exposure.x", "count": 4, "min": 5}}, False),
])
def test_clean_is_good_only_where_a_control_is_all_that_lacks(changes: dict[str, object],
                                                              lacks: bool) -> None:
    assert lacks_only_a_control(ENOUGH | changes) is lacks

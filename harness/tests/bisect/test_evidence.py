# SPDX-License-Identifier: GPL-2.0
"""What a trial's record says: this failure, another one, soundness, or nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmrace.bisect.evidence import Signal, outcome, parse_signal
from mmrace.bisect.graph import linear
from mmrace.bisect.settings import Kind, Outcome
from mmrace.bisect.state import State, TrialEvent
from mmrace.errors import UsageError

WARN = {"kind": "warning", "verdict": "SPLAT", "title": "WARNING in vfs_fsync",
        "signature": "warning: vfs_fsync"}
PANIC = {"kind": "panic", "verdict": "PANIC", "title": "Attempted to kill init",
         "signature": "panic: Attempted to kill init"}
LAW = {"law": "flush-before-free", "what": "a page was freed before its flush"}


def record(**changed: Any) -> dict[str, Any]:
    """A clean, fully exposed trial, but for what is changed."""
    clean: dict[str, Any] = {
        "verdict": "INCONCLUSIVE", "reason": "no failure in 100 rounds", "failures": 0,
        "elapsed_s": 5.0, "exposure": {"counter": "exposure.x", "count": 40, "min": 20},
        "counters": {"exposure.x.unsafe": 0}, "findings": [], "splats": [], "seed": 7,
        "machine": {"page_size": 4096}, "run_dir": "/nowhere", "cell": "x"}
    return clean | changed


RACE = {"verdict": "RACE", "failures": 3, "reason": "the data oracle failed 3 times"}
CASES: list[tuple[str, str | None, dict[str, Any], Kind, float]] = [
    ("race", None, {}, Kind.PASS, 1.0),
    ("race", None, {"verdict": "PASS"}, Kind.PASS, 1.0),
    ("race", None, RACE, Kind.FAIL, 0.0),
    # The race's own failure counts whatever came after it.
    ("race", None, {**RACE, "splats": [PANIC], "elapsed_s": None}, Kind.FAIL, 0.0),
    # Another failure is never this one. What did not stop the race leaves its word standing...
    ("race", None, {"verdict": "SPLAT", "splats": [WARN]}, Kind.PASS, 1.0),
    ("race", None, {"verdict": "FINDING", "findings": [LAW]}, Kind.PASS, 1.0),
    # ...and what did leaves nothing.
    ("race", None, {"verdict": "PANIC", "splats": [PANIC], "elapsed_s": None}, Kind.OTHER, 0.0),
    ("race", None, {"verdict": "HANG", "elapsed_s": None}, Kind.OTHER, 0.0),
    ("race", None, {"verdict": "ERROR"}, Kind.OTHER, 0.0),
    ("race", None, {"verdict": "SKIP", "elapsed_s": None, "exposure": None}, Kind.OTHER, 0.0),
    ("race", None, {"verdict": "INFRA", "elapsed_s": None}, Kind.INFRA, 0.0),
    # Half of the exposure is half of a trial, none is none.
    ("race", None, {"exposure": {"counter": "x", "count": 10, "min": 20}}, Kind.PASS, 0.5),
    ("race", None, {"exposure": {"counter": "x", "count": 0, "min": 20}}, Kind.OTHER, 0.0),
    ("race", "stale", RACE, Kind.PASS, 1.0),
    ("race", "oracle failed 3", RACE, Kind.FAIL, 0.0),
    ("finding", None, {"verdict": "FINDING", "findings": [LAW]}, Kind.FAIL, 0.0),
    ("finding", "flush-before", {"verdict": "RACE", "failures": 1, "findings": [LAW]}, Kind.FAIL,
     0.0),
    ("finding", "another-law", {"verdict": "FINDING", "findings": [LAW]}, Kind.PASS, 1.0),
    ("finding", None, RACE, Kind.PASS, 1.0),
    ("splat", "vfs_fsync", {"verdict": "SPLAT", "splats": [WARN]}, Kind.FAIL, 0.0),
    ("splat", "vfs_fsync", {"verdict": "PANIC", "splats": [PANIC], "elapsed_s": None}, Kind.OTHER,
     0.0),
    ("splat", "^HANG", {"verdict": "HANG", "elapsed_s": None, "reason": "silence"}, Kind.FAIL, 0.0),
    ("any", None, {"verdict": "SPLAT", "splats": [WARN]}, Kind.FAIL, 0.0),
    ("exposure.x.unsafe>=5", None, {"counters": {"exposure.x.unsafe": 5}}, Kind.FAIL, 0.0),
    ("exposure.x.unsafe>=5", None, {"counters": {"exposure.x.unsafe": 4}}, Kind.PASS, 1.0),
    ("exposure.x.unsafe>=5", None, {"counters": {}, "exposure": None}, Kind.OTHER, 0.0),
]


@pytest.mark.parametrize(("signal", "signature", "changed", "kind", "share"), CASES)
def test_what_a_record_says(signal: str, signature: str | None, changed: dict[str, Any],
                            kind: Kind, share: float) -> None:
    said = outcome(record(**changed), parse_signal(signal, signature), 12.0)
    assert (said.kind, said.exposure, said.cost, said.seed) == (kind, share, 12.0, 7)


def test_the_signature_reads_the_oracles_own_words(tmp_path: Path) -> None:
    (tmp_path / "cells/x").mkdir(parents=True)
    (tmp_path / "cells/x/race.ndjson").write_text(
        json.dumps({"ev": "failure", "detail": "--zap munmap: 3 lost"}) + "\n")
    seen = record(**RACE, run_dir=str(tmp_path))
    assert outcome(seen, parse_signal("race", "zap munmap"), 1.0).kind is Kind.FAIL
    assert outcome(seen, parse_signal("race", "zap mremap"), 1.0).kind is Kind.PASS


@pytest.mark.parametrize(("signal", "signature"), [
    ("raze", None), ("findings.total", None), ("x>=0", None), ("race", "("), ("x>=1", "y")])
def test_words_that_are_no_signal(signal: str, signature: str | None) -> None:
    with pytest.raises(UsageError, match="--sign"):
        parse_signal(signal, signature)


def dead() -> Outcome:
    """A panic before the agent was heard."""
    seen = record(verdict="PANIC", splats=[PANIC], elapsed_s=None, machine={"page_size": None},
                  reason="Attempted to kill init")
    said = outcome(seen, Signal(frozenset({"race"})), 1.0)
    assert said.dead and said.kind is Kind.OTHER
    return said


def test_a_kernel_that_never_comes_up_is_not_tried_a_third_time() -> None:
    state = State(linear(list("abcdef")))
    before = state.probabilities()
    state.apply(TrialEvent(3, dead()))
    assert state.testable(3)
    state.apply(TrialEvent(3, dead()))
    assert state.untestable[3].startswith("does not boot: PANIC: Attempted")
    assert np.allclose(state.probabilities(), before)
    # One boot that came up shows that it can.
    state.apply(TrialEvent(4, Outcome(Kind.PASS)))
    for _ in range(2):
        state.apply(TrialEvent(4, dead()))
    assert state.testable(4)

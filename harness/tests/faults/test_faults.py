# SPDX-License-Identifier: GPL-2.0
"""Every part is killed at random, and no record is lost.

A few trials here; MMRACE_FAULTS=200 makes that many, MMRACE_FAULTS_GUESTS=40 of them in guests;
MMRACE_FAULTS_SEED repeats a plan. Moments are drawn over the length of an undisturbed run; what is
not there at that moment is killed as soon as it is.
"""

import collections
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.trial import Matrix, RUN_LIMIT_S, plan, small_disk, trial, write_matrix

pytestmark = pytest.mark.guest

SHORT = 4
GUESTS_OF_SHORT = 1


def undisturbed_s(base: Path, place: str) -> float:
    """How long a run takes when nothing is killed; it must be complete."""
    with small_disk(base):
        matrix = Matrix(base, place)
        started = time.monotonic()
        matrix.start(str(write_matrix(base, place)))
        assert matrix.process.wait(RUN_LIMIT_S) == 0, matrix.said()[1]
        return time.monotonic() - started


def test_no_record_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    number = int(os.environ.get("MMRACE_FAULTS", SHORT))
    guests = int(os.environ.get("MMRACE_FAULTS_GUESTS",
                                GUESTS_OF_SHORT if number == SHORT else number // 5))
    seed = int(os.environ.get("MMRACE_FAULTS_SEED", random.randrange(1 << 32)))
    print(f"MMRACE_FAULTS={number} MMRACE_FAULTS_SEED={seed}")
    length = {place: undisturbed_s(tmp_path / f"whole-{place}", place)
              for place in dict.fromkeys(place for place, _, _ in plan(seed, number, guests))}
    print(f"undisturbed: {', '.join(f'{place} {took:.1f} s' for place, took in length.items())}")
    outcomes: collections.Counter[tuple[str, str, str]] = collections.Counter()
    failed = []
    for index, (place, fault, share) in enumerate(plan(seed, number, guests)):
        base = tmp_path / str(index)
        at_s = share * length[place]
        try:
            hit, took_s = trial(base, place, fault, at_s)
            outcome = "hit" if hit else "late"
            if not hit or fault in ("agent", "race"):
                length[place] = took_s  # the machine's load, and so a run's length, changes
            subprocess.run(["rm", "-rf", base], check=True)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            outcome = "FAILED"
            failed.append(f"{index}: {place} {fault} at {at_s:.2f} s: {error}")
        outcomes[place, fault, outcome] += 1
        print(f"{index}: {place} {fault} at {at_s:.2f} s: {outcome}", flush=True)
    for (place, fault, outcome), count in sorted(outcomes.items()):
        print(f"{place:6} {fault:9} {outcome:7} {count}")
    assert not failed, "\n".join(failed)

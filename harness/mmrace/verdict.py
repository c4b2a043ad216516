# SPDX-License-Identifier: GPL-2.0
"""From what was seen of a cell to its verdict. The law: never claim more than was observed.

A failure is reported whatever else is missing. PASS needs all of: the race ran to its end without
a failure, the module counted at least the exposure that the race asks for, and the race's control
was proven for this kernel, module, race and kind of machine. Short of that it is INCONCLUSIVE.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from mmrace import splat
from mmrace.cell import Cell, Observation

EXIT_PASS, EXIT_FAIL, EXIT_USAGE, EXIT_SKIP, EXIT_ERROR = 0, 1, 2, 4, 5


class Verdict(StrEnum):
    """The words of the results; they mean the same in every view."""

    PASS = "PASS"
    RACE = "RACE"
    FINDING = "FINDING"
    SPLAT = "SPLAT"
    PANIC = "PANIC"
    HANG = "HANG"
    INCONCLUSIVE = "INCONCLUSIVE"
    SKIP = "SKIP"
    ERROR = "ERROR"
    INFRA = "INFRA"

    @property
    def is_failure(self) -> bool:
        """Whether the kernel under test was seen to fail."""
        return self in (Verdict.RACE, Verdict.FINDING, Verdict.SPLAT, Verdict.PANIC, Verdict.HANG)


# What `run` exits with; git bisect run reads 125 as skip and stops from 128 up.
EXIT_CODES = {
    Verdict.PASS: 0, Verdict.RACE: 1, Verdict.FINDING: 1, Verdict.SPLAT: 1, Verdict.PANIC: 1,
    Verdict.HANG: 1, Verdict.INCONCLUSIVE: 125, Verdict.SKIP: 125, Verdict.INFRA: 128,
    Verdict.ERROR: 129,
}


def exit_code(verdicts: list[Verdict]) -> int:
    """One exit code for several cells: a failure outweighs doubt, infrastructure outweighs both."""
    codes = {EXIT_CODES[verdict] for verdict in verdicts}
    if codes & {128, 129}:
        return max(codes & {128, 129})
    for code in (1, 125):
        if code in codes:
            return code
    return 0


def exposure_of(seen: Observation) -> tuple[str | None, int, int]:
    """The race's exposure counter, what it must reach, and what it reached.

    A race that left out what its declared counter counts names another when it ends.
    """
    wanted = (seen.end or {}).get("exposure") or seen.describe.get("exposure") or {}
    counter = wanted.get("counter")
    return counter, int(wanted.get("min", 0)), seen.counters.get(counter, 0) if counter else 0


def _lost(seen: Observation) -> tuple[Verdict, str]:
    kinds = {"panic": Verdict.PANIC, "hang": Verdict.HANG}
    return kinds.get(seen.lost_kind or "", Verdict.INFRA), seen.lost_detail


def new_taint(seen: Observation) -> list[splat.Taint]:
    """The taints of the kernel's that came while the cell ran and tell a failure."""
    if seen.taint_before is None or seen.taint_after is None:
        return []
    return splat.new_faults(seen.taint_before, seen.taint_after)


def taint_record(seen: Observation) -> dict[str, Any]:
    """The `taint` part of a cell's record."""
    return {"before": seen.taint_before, "after": seen.taint_after,
            "new": [taint.meaning for taint in new_taint(seen)]}


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _failure(seen: Observation) -> tuple[Verdict, str] | None:
    """A failure of the kernel's, strongest proof first; what else was seen is said with it."""
    also = f"; then the machine was lost: {seen.lost_detail}" if seen.lost_kind else ""
    if seen.failures:
        first = ("" if seen.first_failure_s is None
                 else f", the first after {seen.first_failure_s:.2f} s")
        return (Verdict.RACE,
                f"the data oracle failed {_times(seen.failures)} in {seen.rounds} rounds"
                f"{first}{also}")
    if seen.lost_kind in ("panic", "hang"):
        return _lost(seen)
    if seen.splats:
        more = f" and {len(seen.splats) - 1} more" if len(seen.splats) > 1 else ""
        worst = next((found for found in seen.splats if found["verdict"] != Verdict.SPLAT),
                     seen.splats[0])
        return Verdict(worst["verdict"]), f"{worst['title']}{more}{also}"
    taints = new_taint(seen)
    if taints:
        return (Verdict.SPLAT, "the kernel became tainted ("
                f"{', '.join(taint.meaning for taint in taints)}), but its log says nothing{also}")
    if seen.findings:
        first_finding = seen.findings[0]
        return (Verdict.FINDING,
                f"{len(seen.findings)} breach(es) of a law, first: {first_finding.get('law')}: "
                f"{first_finding.get('what', '')}{also}")
    return None


def _program(seen: Observation) -> tuple[Verdict, str] | None:
    """What the race program's own end says, where the kernel was not seen failing."""
    reason = str((seen.end or {}).get("reason") or seen.complaint)
    if seen.oom_killed:
        return Verdict.ERROR, (f"the kernel's OOM killer took {seen.oom_killed}: give the machine "
                               "more memory (memory_mib of its variant) or the race less to do")
    if seen.timed_out:
        return Verdict.ERROR, "; ".join(filter(None, [
            "the race did not end in its time and was stopped by the agent", reason]))
    if seen.exit_signal is not None:
        return Verdict.ERROR, f"the race died of signal {seen.exit_signal}; {reason}"
    if seen.machine_fault and seen.exit_status != EXIT_PASS:
        return Verdict.ERROR, f"the guest was not set up: {seen.machine_fault}; {reason}"
    if seen.exit_status == EXIT_SKIP:
        return Verdict.SKIP, reason
    if seen.exit_status != EXIT_PASS:
        return Verdict.ERROR, f"the race exited with {seen.exit_status}: {reason}"
    if seen.end is None:
        return Verdict.ERROR, "the race exited with 0 but sent no end record"
    return None


def losses(seen: Observation) -> str:
    """What the instrument did not see, for the reason of a verdict; empty when nothing is known."""
    parts = []
    missed = sum(seen.missed.values())
    if missed:
        parts.append(f"{missed} probe hits were missed (counts are lower bounds)")
    dropped = sum(value for name, value in seen.counters.items() if name.startswith("lost."))
    if dropped:
        parts.append(f"{dropped} events were not followed by the module (lost.*)")
    return "; ".join(parts)


def judge(cell: Cell, seen: Observation, control: Mapping[str, str] | None,
          own: tuple[Verdict, ...] = ()) -> tuple[Verdict, str]:
    """The verdict of a cell and the reason for it.

    `control` are the options with which the race's control was proven, None if it was not.
    `own` are the failures that this kernel is known to show in this race without a plant.
    """
    failure = _failure(seen)
    if seen.interrupted:
        if failure and cell.mode != "control":
            return failure[0], f"{failure[1]}; then interrupted"
        return Verdict.INFRA, "interrupted before the end"
    if cell.mode == "control":
        return _judge_control(seen, failure, own)
    if failure:
        return failure
    if seen.lost_kind:
        return _lost(seen)
    if seen.module_error and cell.mode == "widened":
        return Verdict.ERROR, seen.module_error
    program = _program(seen)
    if program:
        return program
    return _judge_silence(cell, seen, control)


def _judge_silence(cell: Cell, seen: Observation,
                   control: Mapping[str, str] | None) -> tuple[Verdict, str]:
    saw = f"no failure in {seen.rounds} rounds"
    counter, need, got = exposure_of(seen)
    doubts = []
    if seen.module_error:
        doubts.append(f"exposure unknown: {seen.module_error}")
    elif counter is None:
        doubts.append("the race declares no exposure counter")
    elif not seen.counters_read:
        doubts.append("the module's counters could not be read")
    elif got < need:
        doubts.append(f"exposure {counter} is {got}, the race asks for {need}")
    else:
        saw += f", exposed {got} times ({counter})"
    if control is None:
        doubts.append("the race's control is not proven for this kernel, module and kind of "
                      "machine")
    unseen = losses(seen)
    if doubts:
        return Verdict.INCONCLUSIVE, "; ".join(filter(None, [saw, *doubts, unseen]))
    proven = "control proven" + ("" if control == dict(cell.options) else " without these options")
    return Verdict.PASS, "; ".join(filter(None, [saw, proven, unseen]))


def _judge_control(seen: Observation, failure: tuple[Verdict, str] | None,
                   own: tuple[Verdict, ...]) -> tuple[Verdict, str]:
    """A control: what is proven is that the race sees harm, whoever did it.

    So a data oracle that failed is a proof even on a kernel that fails by itself. What only the
    kernel's log says, and says without a plant too, proves nothing of the race.
    """
    plant = seen.describe.get("control")
    if seen.lost_kind and not seen.describe:
        # Nothing was planted yet.
        return _lost(seen)
    if failure:
        saw = f"{failure[0]}: {failure[1]}"
        if failure[0] not in own:
            return Verdict.PASS, f"the plant {plant} was detected: {saw}"
        if failure[0] == Verdict.RACE:
            return Verdict.PASS, (f"the race fails with the plant {plant}, as it does on this "
                                  f"kernel without it: {saw}")
        return Verdict.INCONCLUSIVE, (f"this kernel shows it without the plant {plant}, too, and "
                                      f"nothing else was seen: {saw}")
    if seen.lost_kind:
        return _lost(seen)
    if plant is None:
        return Verdict.SKIP, "the race names no control"
    if seen.module_error:
        return Verdict.ERROR, seen.module_error
    program = _program(seen)
    if program:
        return program
    return (Verdict.INCONCLUSIVE,
            f"the plant {plant} was not detected in {seen.rounds} rounds: the race proves nothing "
            "here by passing")

# SPDX-License-Identifier: GPL-2.0
"""How slow this machine is now: a limit in seconds means seconds of a machine that is not shared.

A thread that only computes gets less than one second of CPU a second when more of them run than
there are CPUs, and so does each vCPU of a guest. What has not answered within its limit is judged
again: against the limit times slowdown(), measured then, and without the time that a process could
not have, as far as the kernel tells it. Slowness is no failure. The second is the stronger: a
thread that computes for a moment only, as slowdown() does, is served before those that have
computed for long, and groups of tasks share CPUs as groups.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

CANARY_CPU_S = 0.05
# Beyond this a limit would mean nothing any more.
SLOWEST = 20.0


def slowdown() -> float:
    """Elapsed time over CPU time of a busy thread: 1 on an idle machine, 20 at most."""
    started, used = time.perf_counter(), time.thread_time()
    while time.thread_time() - used < CANARY_CPU_S:
        if time.perf_counter() - started > CANARY_CPU_S * SLOWEST:
            return SLOWEST
    return max(1.0, (time.perf_counter() - started) / CANARY_CPU_S)


@dataclass(frozen=True)
class Use:
    """How a machine's CPUs were used so far, seen from a process, in seconds.

    `waits`: for how long each of its threads has waited for a CPU; `others_s`: what all others ran.
    """

    waits: Mapping[str, float]
    others_s: float


NOBODY_KNOWS = Use({}, 0.0)
CPUS = os.cpu_count() or 1
_TICKS = os.sysconf("SC_CLK_TCK")


def _others_s(pid: int) -> float:
    """What all but a process have run, from /proc/stat and /proc/PID/stat (proc(5))."""
    try:
        total = Path("/proc/stat").read_text().split()[1:8]
        user, nice, system, _, _, irq, softirq = map(int, total)
        own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + irq + softirq - int(own[11]) - int(own[12])) / _TICKS


def use(pid: int) -> Use:
    """Of a process of this machine's.

    Waits are from /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst); a thread
    that waits now is counted once it runs again. Empty where the kernel does not say.
    """
    waits = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            waits[path.parent.name] = int(path.read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            continue  # The thread has ended, or the kernel keeps no such statistics.
    return Use(waits, _others_s(pid))


class Stopwatch:
    """Seconds since it was made, and how many of them a process could not use."""

    def __init__(self, of: Callable[[], Use]) -> None:
        self._of = of
        self._started = time.monotonic()
        self._before = of()

    def passed_s(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._started

    def _passed_and_lost_s(self) -> tuple[float, float]:
        now, passed_s = self._of(), self.passed_s()
        waits = [seconds - self._before.waits.get(thread, seconds)
                 for thread, seconds in now.waits.items()]
        others_s = (now.others_s - self._before.others_s) / CPUS
        return passed_s, min(max(0.0, *waits, min(sum(waits), others_s)),
                             passed_s * (1 - 1 / SLOWEST))

    def lost_s(self) -> float:
        """For how long the process waited for a CPU; 0 if nobody knows, 19 in 20 at most.

        That is how long the thread waited that waited longest. When threads sleep until another has
        had a CPU, their waits follow each other: then it is all waits, as far as others ran at all.
        """
        return self._passed_and_lost_s()[1]

    def had_s(self) -> float:
        """Seconds that passed, without those that were lost."""
        passed_s, lost_s = self._passed_and_lost_s()
        return passed_s - lost_s

    def slowdown(self) -> float:
        """Seconds that passed over seconds that were had: 1 where nothing waited, 20 at most."""
        passed_s, lost_s = self._passed_and_lost_s()
        return min(SLOWEST, passed_s / max(passed_s - lost_s, 1e-9))

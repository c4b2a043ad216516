# SPDX-License-Identifier: GPL-2.0
"""How slow this machine is now: a limit in seconds means seconds of a machine that is not shared.

A thread that only computes gets less than one second of CPU a second when more of them run than
there are CPUs, and so does each vCPU of a guest. What has not answered within its limit is judged
again: against the limit times slowdown(), measured then, and without the time for which a thread of
its own waited for a CPU, where the kernel tells it. Slowness is no failure. The second is the
stronger: a thread that computes for a moment only, as slowdown() does, is served before those that
have computed for long, and groups of tasks share CPUs as groups.
"""

import time
from collections.abc import Callable
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


Waits = Callable[[], dict[str, float]]


def waits(pid: int) -> dict[str, float]:
    """Seconds for which each thread of a process has waited for a CPU, so far.

    From /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst); a thread that
    waits now is counted once it runs again. Empty where the kernel does not say.
    """
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            continue  # The thread has ended, or the kernel keeps no such statistics.
    return found


class Stopwatch:
    """Seconds since it was made, and how many of them a process could not use."""

    def __init__(self, of: Waits) -> None:
        self._of = of
        self._started = time.monotonic()
        self._before = of()

    def waited_s(self) -> float:
        """For how long that thread waited for a CPU that waited longest; 0 if nobody knows."""
        return max((seconds - self._before.get(thread, seconds)
                    for thread, seconds in self._of().items()), default=0.0)

    def had_s(self) -> float:
        """Seconds that passed and in which no thread had to wait."""
        return time.monotonic() - self._started - self.waited_s()

    def slowdown(self) -> float:
        """Seconds that passed over seconds had: 1 where nothing waited, 20 at most."""
        passed_s = time.monotonic() - self._started
        return passed_s / max(passed_s - self.waited_s(), passed_s / SLOWEST)

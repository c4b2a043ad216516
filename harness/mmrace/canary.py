# SPDX-License-Identifier: GPL-2.0
"""How slow this machine is now: a limit in seconds means seconds of a machine that is not shared.

A thread that only computes gets less than one second of CPU a second when more of them run than
there are CPUs, and so does each vCPU of a guest. What has not answered within its limit is judged
again against the limit times this factor, measured then: slowness is no failure.
"""

import time

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

# SPDX-License-Identifier: GPL-2.0
"""Kernel splats in a log: what failed, by one stable name.

``scan`` gives one Splat for one failure of the kernel's, however many lines and detectors report
it.  The patterns are data: configs/splats.toml.
"""

from . import title
from .emulator import lost_timer, stale_int3
from .oom import killed_by_oom
from .scan import Splat, scan, scan_first, worst
from .taint import Taint, decode, from_line, new_faults
from .title import normalise

__all__ = [
    "Splat", "Taint", "decode", "from_line", "killed_by_oom", "lost_timer", "new_faults",
    "normalise", "scan", "scan_first", "stale_int3", "title", "worst",
]

# SPDX-License-Identifier: GPL-2.0
"""Whether the kernel's OOM killer took a program of ours.

Memory pressure is what the races are for, so an OOM kill is no failure of the kernel's; but when
it takes the agent or the race, what they would have reported is lost through our own doing.
"""

import re
from collections.abc import Iterable

from .title import strip

# mm/oom_kill.c __oom_kill_process(); the order of the words changed over the versions.
_KILL = re.compile(r"(?:Memory cgroup out of memory|Out of memory.*?|oom-kill\S*): "
                   r"Killed? process (?P<pid>\d+),? \(?(?P<comm>[^),]+)\)?")


def killed_by_oom(lines: Iterable[str], names: Iterable[str] = ("mmrace-agent",)) -> str | None:
    """The first of the programs NAMES that the OOM killer took; None if it took none of them.

    The kernel cuts a name to 15 characters (TASK_COMM_LEN), and so does the comparison.
    """
    ours = {name[:15]: name for name in names}
    for line in lines:
        found = _KILL.match(strip(line))
        if found and found.group("comm") in ours:
            return ours[found.group("comm")]
    return None

# SPDX-License-Identifier: GPL-2.0
"""A stable name for a splat: its headline without what varies, and the function it happened in."""

import re
from collections.abc import Sequence

# Syslog's "Aug 03 15:02:47 host kernel:", the console's "<4>[  12.345678]", and the caller that
# CONFIG_PRINTK_CALLER adds ("[T123]" a task, "[C1]" a CPU).
_PREFIX = re.compile(
    r"^(?:\w{3} +\d+ [\d:]{8} \S+ kernel: )?(?:<\d+>)?(?:\[ *\d+\.\d+\])?(?:\[ *[TC]\d+\])? ?")

# How each architecture says where it was: x86's RIP, s390's PSW, powerpc's NIP; WARN() and KASAN
# name the function in the headline itself.
_WHERE = (
    re.compile(r"^RIP: [0-9a-f]{4}:(?P<where>[\w.]+)\+0x"),
    re.compile(r"^RIP:? +(?:[0-9a-f]{4}:)?(?:\[<[0-9a-f]+>\] ?)+(?P<where>[\w.]+)\+0x"),
    re.compile(r"^Krnl PSW : [0-9a-f]+ [0-9a-f]+ \((?P<where>[\w.]+)\+0x"),
    re.compile(r"^NIP \[[0-9a-f]+\] \.?(?P<where>[\w.]+)\+0x"),
)
_HEADLINE_WHERE = re.compile(
    r"(?:\bat \S+:\d+|:\d+ at| in|caller is) (?P<where>[A-Za-z_][\w.]*)\+0x(?!0/)")
_FRAME = re.compile(
    r"^(?:\[[0-9a-f<>]+\] )*(?:\([^)]*\) )?(?P<unsure>\? )?\.?"
    r"(?P<where>[A-Za-z_][\w.]*)\+0x(?!0/)")

# Frames that a stack shows whatever the cause: the scheduler, the dump itself, the entry code.
_PLUMBING = re.compile(
    r"^(?:__)?(?:schedule\w*|dump_stack\w*|show_stack|preempt_schedule\w*|__switch_to\w*|_switch|"
    r"wait_for_c\w+|io_schedule\w*|rwsem_down_\w+|down_(?:read|write)\w*|mutex_lock\w*|"
    r"v?panic|__stack_chk_fail|kernel_stack_overflow|"
    r"oops_end|die|\w*bug_\w*|check_preemption_disabled|debug_smp_processor_id|"
    r"bad_page\w*|rcu_\w+|sched_\w+|trigger_\w+|nmi_\w+|watchdog\w*|print_\w+|"
    r"kasan_\w+|do_syscall\w*|system_call\w*|ret_from_\w+|asm_\w+|exc_\w+|entry_\w+|"
    r"___might_sleep|__might_resched|call_trace|smp_call_function\w*|save_\w+)$")

_VARIABLE = (
    (re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+"), ""),
    (re.compile(r"\b0x[0-9a-f]+\b"), "#"),
    (re.compile(r"\b[0-9a-f]{40}\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"), "#"),
    (re.compile(r"(?:[\w.+~-]*/)+(?=[\w-]+\.[chS]\b)"), ""),
    (re.compile(r"(?<=\.[chS]):\d+"), ""),
    (re.compile(r"\b[\w/.-]+:\d+(?= blocked)"), "TASK"),
    (re.compile(r"(?<![A-Za-z_])\d+"), "#"),
)


def strip(line: str) -> str:
    """LINE as the kernel worded it, without its prefix and end of line."""
    return _PREFIX.sub("", line.rstrip("\r\n"), count=1)


def normalise(title: str) -> str:
    """TITLE without addresses, numbers, paths and task names, which differ between occurrences."""
    for regex, replacement in _VARIABLE:
        title = regex.sub(replacement, title)
    return " ".join(title.split())


def where(report: Sequence[str]) -> str:
    """The function that a REPORT (stripped lines, its headline first) blames; empty if unknown.

    The compiler's clones (``.cold``, ``.isra.0``) carry the function's own name.
    """
    return _blamed(report).split(".")[0]


def _blamed(report: Sequence[str]) -> str:
    named = _HEADLINE_WHERE.search(report[0]) if report else None
    if named:
        return named.group("where")
    for regex in _WHERE:
        for line in report:
            found = regex.match(line.strip())
            if found:
                return found.group("where")
    for line in report[1:]:
        found = _FRAME.match(line.strip())
        if found and not found.group("unsure") and "(unreliable)" not in line:
            function = found.group("where").split(".")[0]
            if not _PLUMBING.match(function):
                return function
    return ""


def title(headline: str, function: str) -> str:
    """The splat's title for people: the headline, and FUNCTION where it is known."""
    headline = re.sub(r"^(WARNING): .*\bat$|^(WARNING): at .*", r"\1\2", headline)
    return f"{headline} in {function}" if function else headline

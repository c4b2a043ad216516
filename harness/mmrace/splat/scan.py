# SPDX-License-Identifier: GPL-2.0
"""From the lines of a log to one Splat for each failure.

The law: one cause has one name.  The kernel reports one failure in several headlines (the reason,
die()'s line, the panic), and one hang through several detectors; each is joined to the first.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from . import title as titles
from .patterns import VERDICTS, Pattern, Patterns, patterns

_REACH = 60
"""Lines after a headline in which a line that can continue it does: an oops with its registers."""

_PANIC_REACH = 200
"""The same for a panic: it comes after the whole dump of what it is the consequence of."""

_END = re.compile(r"---\[ end (?:trace|Kernel panic)|Rebooting in|Kernel Offset:")
_NESTED = re.compile(r"---\[ end trace")


@dataclass(frozen=True)
class Splat:
    """One failure of the kernel's.

    ``line`` is the index of its headline in the log, ``excerpt`` the lines of its report without
    time stamps; ``signature`` is equal for two occurrences of the same failure.
    """

    kind: str
    verdict: str
    title: str
    signature: str
    line: int
    excerpt: tuple[str, ...]


@dataclass(frozen=True)
class _Report:
    """A splat under construction: its headline, and the lines where it starts and last went on."""

    pattern: Pattern
    headline: str
    verdict: str
    first: int
    last: int


def _graver(one: str, other: str) -> str:
    return max(one, other, key=VERDICTS.index)


def _joins(pattern: Pattern, index: int, report: _Report, log: Sequence[str]) -> bool:
    if not pattern.continues(report.pattern.kind):
        return False
    if pattern.verdict == "PANIC":
        return index - report.last <= _PANIC_REACH
    ended = any(_NESTED.search(line) for line in log[report.last:index])
    return not ended and index - report.last <= _REACH


def _reports(log: Sequence[str], known: Patterns) -> list[_Report]:
    reports: list[_Report] = []
    for index, line in enumerate(log):
        found = known.match(line)
        if not found:
            continue
        pattern, headline = found
        if reports and _joins(pattern, index, reports[-1], log):
            last = reports[-1]
            reports[-1] = replace(last, last=index,
                                  verdict=_graver(last.verdict, pattern.verdict))
        else:
            reports.append(_Report(pattern, headline, pattern.verdict, index, index))
    return reports


def _one_hang(reports: list[_Report], order: Sequence[str]) -> list[_Report]:
    """REPORTS with a single hang: the one whose detector stands first in ORDER."""
    hangs = [report for report in reports if report.pattern.kind in order]
    if len(hangs) < 2:
        return reports
    named = min(hangs, key=lambda report: (order.index(report.pattern.kind), report.first))
    verdict = max((report.verdict for report in hangs), key=VERDICTS.index)
    kept = [report for report in reports if report not in hangs or report is named]
    return [replace(report, verdict=verdict) if report is named else report for report in kept]


def _excerpt(log: Sequence[str], report: _Report, end: int, limit: int) -> tuple[str, ...]:
    stop = min(end, report.first + limit)
    for index in range(report.last, stop):
        if _END.search(log[index]):
            stop = index + 1
            break
    return tuple(log[report.first:stop])


def scan(lines: Iterable[str], context: int = 60) -> list[Splat]:
    """Every failure that a log reports, in order; each keeps at most CONTEXT lines as its excerpt.

    LINES are the console's or /dev/kmsg's, with or without time stamps.
    """
    log = [titles.strip(line) for line in lines]
    known = patterns()
    reports = _reports(log, known)
    ends = [following.first for following in reports[1:]] + [len(log)]
    bounds = {report.first: end for report, end in zip(reports, ends)}
    splats = []
    for report in _one_hang(reports, known.hang_order):
        excerpt = _excerpt(log, report, bounds[report.first], context)
        function = titles.where(excerpt)
        name = titles.title(report.headline, function)
        splats.append(Splat(report.pattern.kind, report.verdict, name,
                            f"{report.pattern.kind}: {titles.normalise(name)}", report.first,
                            excerpt))
    return splats


def scan_first(*logs: Iterable[str]) -> list[Splat]:
    """What the first of these logs that reports any failure reports: they tell of one time."""
    return next(filter(None, map(scan, logs)), [])


def worst(splats: Sequence[Splat]) -> Splat | None:
    """The splat that names a whole log: the first of the gravest verdict; None for a clean log."""
    if not splats:
        return None
    grave = max((splat.verdict for splat in splats), key=VERDICTS.index)
    return next(splat for splat in splats if splat.verdict == grave)

# SPDX-License-Identifier: GPL-2.0
"""configs/splats.toml as typed records."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mmrace.errors import UsageError
from mmrace.paths import CONFIGS
from mmrace.record import Record, load

VERDICTS = ("SPLAT", "HANG", "PANIC")
"""What a pattern may map to, the gravest last."""


@dataclass(frozen=True)
class Pattern:
    """One headline of the kernel's; ``joins`` are the kinds it continues."""

    kind: str
    verdict: str
    regex: re.Pattern[str]
    joins: frozenset[str]

    def continues(self, kind: str) -> bool:
        """Whether a line of this pattern belongs to a report of KIND just before it."""
        return "*" in self.joins or kind in self.joins


@dataclass(frozen=True)
class Patterns:
    """The whole file."""

    patterns: tuple[Pattern, ...]
    suppressions: tuple[tuple[re.Pattern[str], str], ...]
    hang_order: tuple[str, ...]

    def match(self, line: str) -> tuple[Pattern, str] | None:
        """The pattern that names LINE and its headline; None for a harmless line."""
        if any(regex.match(line) for regex, _ in self.suppressions):
            return None
        for pattern in self.patterns:
            found = pattern.regex.match(line)
            if found:
                return pattern, found.group("title").strip()
        return None


def _regex(record: Record, *groups: str) -> re.Pattern[str]:
    try:
        regex = re.compile(record.text("regex"))
    except re.error as error:
        raise UsageError(f"{record.where}: 'regex' does not compile: {error}") from None
    missing = set(groups) - set(regex.groupindex)
    if missing:
        raise UsageError(f"{record.where}: 'regex' must name the group {', '.join(missing)}")
    return regex


def _pattern(record: Record) -> Pattern:
    verdict = record.text("verdict")
    if verdict not in VERDICTS:
        raise UsageError(f"{record.where}: 'verdict' must be one of {', '.join(VERDICTS)}, "
                         f"it is {verdict!r}")
    pattern = Pattern(record.text("kind"), verdict, _regex(record, "title"),
                      frozenset(record.texts("joins", [])))
    record.done()
    return pattern


def _suppression(record: Record) -> tuple[re.Pattern[str], str]:
    found = _regex(record), record.text("reason")
    record.done()
    return found


@cache
def patterns(path: Path = CONFIGS / "splats.toml") -> Patterns:
    """The patterns of PATH; a bad entry is a UsageError that names it."""
    data = load(path)
    found = Patterns(
        tuple(map(_pattern, data.records("pattern"))),
        tuple(map(_suppression, data.records("suppress"))),
        tuple(data.texts("hang_order")))
    data.done()
    return found

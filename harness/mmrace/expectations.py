# SPDX-License-Identifier: GPL-2.0
"""Which failures are expected where, and why: configs/expectations.toml."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from mmrace import build, config, kconfig, kernels
from mmrace.cell import MODES, Cell
from mmrace.errors import UsageError
from mmrace.paths import CONFIGS
from mmrace.record import Record, load
from mmrace.verdict import Verdict

COMPARISON = re.compile(r"(<|<=|>=|>)(\d+(?:\.\d+)*)")
# Instead of a race's name: whichever it is.
ANY = "*"
UNKNOWN_IS_FINE = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.SKIP)


@dataclass(frozen=True)
class Expectation:
    """The verdicts that a cell may have, and where that is known from."""

    verdicts: tuple[Verdict, ...]
    reason: str
    fix: str | None

    def record(self, verdict: Verdict) -> dict[str, Any]:
        """The `expected` part of a cell's record."""
        return {"verdicts": [str(item) for item in self.verdicts],
                "met": verdict in self.verdicts, "reason": self.reason, "fix": self.fix}


@dataclass(frozen=True)
class Rule:
    """One entry of the file."""

    race: str
    arches: tuple[str, ...]
    modes: tuple[str, ...]
    kernel: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    checkers: bool
    machines: tuple[str, ...]
    scenarios: tuple[str, ...]
    expectation: Expectation

    def matches(self, cell: Cell, upstream: str) -> bool:
        """Whether it tells of that cell on a kernel of that upstream version."""
        return (self.race in (ANY, cell.race) and cell.arch in self.arches
                and cell.mode in self.modes and set(self.options) <= set(cell.options)
                and self.checkers <= cell.checkers
                and (not self.machines or cell.variant in self.machines)
                and (not self.scenarios or _scenario(cell) in self.scenarios)
                and version_matches(upstream, self.kernel))


def _scenario(cell: Cell) -> str | None:
    return kernels.parse_id(cell.kernel, config.arch(cell.arch)).scenario


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def version_matches(version: str, comparisons: tuple[str, ...]) -> bool:
    """Whether an upstream version such as 6.1.176 fulfils every comparison (`<6.2`, `>=5.10`)."""
    for comparison in comparisons:
        match = COMPARISON.fullmatch(comparison)
        if not match:
            raise UsageError(f"bad kernel comparison '{comparison}'; write one of < <= > >= and a "
                             "version, such as '<6.2'")
        have, want = _parts(version), _parts(match.group(2))
        holds = {"<": have < want, "<=": have <= want, ">": have > want, ">=": have >= want}
        if not holds[match.group(1)]:
            return False
    return True


def _check(rule: Rule, where: str) -> None:
    """Refuse a rule that could never match a cell."""
    for key, words, known in (("race", (rule.race,), (*build.race_names(), ANY)),
                              ("arches", rule.arches, config.arch_names()),
                              ("modes", rule.modes, MODES)):
        for word in words:
            if word not in known:
                raise UsageError(f"{where}: '{key}' has the unknown '{word}'; there are: "
                                 f"{', '.join(known)}")
    for comparison in rule.kernel:
        try:
            version_matches("0", (comparison,))
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    try:
        for machine, arch in itertools.product(rule.machines, rule.arches):
            config.variant(machine, arch)
        for scenario in rule.scenarios:
            kconfig.check_scenario(scenario)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _rule(record: Record) -> Rule:
    try:
        verdicts = tuple(Verdict(word) for word in record.texts("verdicts"))
    except ValueError as error:
        raise UsageError(f"{record.where}: {error}; verdicts are {', '.join(Verdict)}") from None
    rule = Rule(race=record.text("race"), arches=tuple(record.texts("arches")),
                modes=tuple(record.texts("modes", list(MODES[:2]))),
                kernel=tuple(record.texts("kernel", [])),
                options=tuple(tuple(pair.partition("=")[::2])  # type: ignore[misc]
                              for pair in record.texts("options", [])),
                checkers=record.flag("checkers", False),
                machines=tuple(record.texts("machines", [])),
                scenarios=tuple(record.texts("scenarios", [])),
                expectation=Expectation(verdicts, record.text("reason"),
                                        record.text("fix", "") or None))
    record.done()
    _check(rule, record.where)
    return rule


@cache
def rules(path: Path = CONFIGS / "expectations.toml") -> tuple[Rule, ...]:
    """Every entry, in the file's order; UsageError names one that could never match."""
    return tuple(map(_rule, load(path).records("expect")))


def as_expected(record: Mapping[str, Any]) -> bool:
    """Whether a cell's record is no news: one that never had a machine may be a SKIP, which names
    what is missing."""
    expected = record["expected"]
    return bool(expected["met"] if expected else record["verdict"] == Verdict.SKIP)


def own_failures(cell: Cell, upstream: str) -> tuple[Verdict, ...]:
    """The failures that a kernel with that upstream version may show in that race unplanted."""
    shown = (expectation(replace(cell, mode=mode), upstream) for mode in MODES[:2])
    return tuple({verdict for item in shown for verdict in item.verdicts if verdict.is_failure})


def expectation(cell: Cell, upstream: str) -> Expectation:
    """What is expected of a cell on a kernel with that upstream version."""
    for rule in rules():
        if rule.matches(cell, upstream):
            return rule.expectation
    if cell.mode == "control":
        return Expectation((Verdict.PASS, Verdict.SKIP), "a race must detect its control", None)
    return Expectation(UNKNOWN_IS_FINE, "no failure is known here", None)

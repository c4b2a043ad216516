# SPDX-License-Identifier: GPL-2.0
"""What the record of one trial says to a search: the failure, soundness, or nothing.

A *signal* names what counts as the failure, a *signature* (a regular expression) narrows it to one
of its kind. Whatever else was seen is another bug: it never counts as this one, and a trial that it
cut short says nothing. One that ran to its end all the same says what its exposure is worth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrace.bisect.settings import Kind, Outcome
from mmrace.errors import UsageError
from mmrace.report.runs import lines
from mmrace.verdict import Verdict

SIGNALS = {
    "race": "the race's data oracle (default)",
    "finding": "a law of the kernel's own was seen broken by the module",
    "splat": "the kernel log, panics and hangs included",
    "any": "each of these",
}
"""What can be the failure, by name; besides these, NAME>=N of the module's counters."""


@dataclass(frozen=True)
class Signal:
    """What counts as the failure: kinds of evidence, or a counter that reaches a number."""

    kinds: frozenset[str]
    counter: str = ""
    least: int = 1
    signature: re.Pattern[str] | None = None

    def matches(self, record: dict[str, Any]) -> str | None:
        """The evidence of the failure in a record, one line; None when it is not there."""
        if self.counter:
            count = int(record["counters"].get(self.counter, 0))
            return f"{self.counter} is {count}" if count >= self.least else None
        for kind, text in seen(record):
            if kind in self.kinds and (self.signature is None or self.signature.search(text)):
                return text
        return None


def parse_signal(signal: str, signature: str | None) -> Signal:
    """The signal of --signal and --signature; UsageError for words that name none."""
    pattern = None
    if signature is not None:
        try:
            pattern = re.compile(signature)
        except re.error as error:
            raise UsageError(f"--signature: '{signature}' is no regular expression: {error}"
                             ) from None
    counter = re.fullmatch(r"([a-z][\w.-]*)>=(\d+)", signal)
    if counter and int(counter.group(2)):
        if pattern:
            raise UsageError("--signature goes with a failure that has words; a counter has none")
        return Signal(frozenset(), counter.group(1), int(counter.group(2)))
    if signal not in SIGNALS:
        raise UsageError(f"--signal: unknown '{signal}'; it is one of {', '.join(SIGNALS)}, or a "
                         "counter such as findings.total>=1 (./mmrace list probes names some)")
    kinds = set(SIGNALS) - {"any"} if signal == "any" else {signal}
    return Signal(frozenset(kinds), signature=pattern)


def seen(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """All evidence of a failure in a record: (kind, one line of text)."""
    if record["failures"]:
        where = Path(record["run_dir"]) / "cells" / record["cell"] / "race.ndjson"
        details = [str(said.get("detail", "")) for said in lines(where)
                   if said.get("ev") == "failure"]
        for detail in details or [""]:
            yield "race", f"{record['reason']} ({detail})" if detail else record["reason"]
    for finding in record.get("findings") or []:
        yield "finding", f"{finding.get('law')}: {finding.get('what', '')}"
    for found in record.get("splats") or []:
        yield "splat", f"{found['verdict']}: {found['title']} [{found['signature']}]"
    if record["verdict"] in (Verdict.PANIC, Verdict.HANG) and not record.get("splats"):
        yield "splat", f"{record['verdict']}: {record['reason']}"


def came_up(record: dict[str, Any]) -> bool:
    """Whether the machine's agent was ever heard."""
    return record["machine"].get("page_size") is not None


def outcome(record: dict[str, Any], signal: Signal, cost: float) -> Outcome:
    """What one trial says; `cost` is what it took, in seconds."""
    verdict = Verdict(record["verdict"])
    if verdict is Verdict.INFRA and not record["failures"]:
        return Outcome(Kind.INFRA, cost, 0.0, record["reason"], seed=record["seed"])
    found = signal.matches(record)
    if found is not None:
        return Outcome(Kind.FAIL, cost, 0.0, found, seed=record["seed"])
    dead = verdict in (Verdict.PANIC, Verdict.HANG) and not came_up(record)
    share = 0.0 if dead else exposed(record)
    kind = Kind.PASS if share > 0 else Kind.OTHER
    return Outcome(kind, cost, share, f"{verdict}: {record['reason']}", dead, record["seed"])


def exposed(record: dict[str, Any]) -> float:
    """How much of a full trial this was, 0 to 1: a race that came to its end, by its exposure."""
    exposure = record.get("exposure")
    if record.get("elapsed_s") is None or not exposure or record["verdict"] == Verdict.ERROR:
        return 0.0
    least = exposure["min"] or 1
    return float(min(1.0, exposure["count"] / least))

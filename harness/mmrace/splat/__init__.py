# SPDX-License-Identifier: GPL-2.0
"""Kernel splats in a log: patterns are data (configs/splats.toml), titles become signatures."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from mmrace.config import Record, load
from mmrace.paths import CONFIGS

# Console lines carry a time stamp, and with CONFIG_PRINTK_CALLER a task or CPU.
_PREFIX = re.compile(r"^(?:<\d+>)?(?:\[\s*\d+\.\d+\])?(?:\[\s*[TC]\d+\])?\s*")


@dataclass(frozen=True)
class Splat:
    """One splat: `line` is its index in the log, `excerpt` the lines from there on."""

    kind: str
    verdict: str
    title: str
    signature: str
    line: int
    excerpt: tuple[str, ...]


@cache
def _patterns() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    data: list[dict[str, Any]] = load(CONFIGS / "splats.toml").data["pattern"]
    records = [Record("configs/splats.toml", entry) for entry in data]
    return tuple((record.text("kind"), record.text("verdict"), re.compile(record.text("regex")))
                 for record in records)


def normalise(title: str) -> str:
    """A title without what differs from one occurrence to the next."""
    title = re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b", "#", title)
    title = re.sub(r"\+#/#", "", title)
    return re.sub(r"\d+", "#", title).strip()


def scan(lines: Iterable[str], context: int = 40) -> list[Splat]:
    """Every splat of a log, in order; `context` lines are kept of each."""
    log = [_PREFIX.sub("", line.rstrip("\n")) for line in lines]
    found = []
    for index, line in enumerate(log):
        for kind, verdict, pattern in _patterns():
            match = pattern.match(line)
            if match:
                title = match.group("title").strip() or line
                found.append(Splat(kind, verdict, title, f"{kind}: {normalise(title)}", index,
                                   tuple(log[index:index + context])))
                break
    return found

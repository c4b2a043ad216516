# SPDX-License-Identifier: GPL-2.0
"""How each verdict word looks and sorts in every view.

The words themselves are the contract's (docs/design.md, "Words").  One table here keeps the
terminal, KTAP, JUnit and HTML in agreement about which verdict is good news: only PASS is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """One verdict's appearance.

    ``glyph`` stands for it where there is room for one character.
    ``family`` groups words that a reader treats alike: ``pass``, ``fail`` (the kernel is at fault),
    ``unknown`` (nothing may be concluded) and ``broken`` (the harness or the machine is at fault).
    """

    word: str
    glyph: str
    family: str
    style: str
    meaning: str


_TABLE = (
    Look("PANIC", "P", "fail", "bold white on red", "the kernel panicked"),
    Look("RACE", "R", "fail", "bold red", "the data oracle failed: data was lost or wrong"),
    Look("FINDING", "F", "fail", "bold magenta", "a checker saw a law of the kernel broken"),
    Look("SPLAT", "S", "fail", "red", "the kernel log reports a bug"),
    Look("HANG", "H", "fail", "bold dark_orange", "the machine stopped making progress"),
    Look("ERROR", "!", "broken", "bold yellow", "the race program or the harness is at fault"),
    Look("INFRA", "×", "broken", "yellow", "the machine was lost for reasons outside the kernel"),
    Look("INCONCLUSIVE", "?", "unknown", "cyan", "too little exposure, or no proven control"),
    Look("SKIP", "–", "unknown", "bright_black",
         "cannot run here; the reason names what is missing"),
    Look("PASS", "✓", "pass", "green",
         "exposed, and the control proven for this kernel and machine"),
)

LOOKS: dict[str, Look] = {look.word: look for look in _TABLE}
"""Every verdict word, worst news first."""

_SEVERITY = {look.word: index for index, look in enumerate(_TABLE)}


def look(word: str) -> Look:
    """Return the appearance of WORD; a word outside the contract shows as broken, never as good."""
    return LOOKS.get(word) or Look(word, "!", "broken", "bold yellow reverse", "not a verdict word")


def severity(word: str) -> int:
    """Return the sort key of WORD: 0 is the worst news, PASS the largest known value."""
    return _SEVERITY.get(word, 0)

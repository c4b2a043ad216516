# SPDX-License-Identifier: GPL-2.0
"""One cell's record, read leniently.

A report must show what a damaged or half-written run still holds, so every accessor here takes a
record whose fields may be missing or of another type, and never raises.  The form of the record is
docs/contracts.md section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NUMBERS = float(1 << 63)
"""Numbers from here up are damage: neither the index nor a page's script could hold them."""


@dataclass(frozen=True)
class Exposure:
    """How often a race's window was entered: COUNT hits of COUNTER, MINIMUM needed for a PASS."""

    counter: str
    count: int | None
    minimum: int | None

    @property
    def enough(self) -> bool | None:
        """Whether the count reaches the minimum; None when either is unknown."""
        if self.count is None or self.minimum is None:
            return None
        return self.count >= self.minimum


def number(value: object) -> float | None:
    """Return VALUE as a float, or None if it is no finite number (a bool is not a number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < _NUMBERS else None


def integer(value: object) -> int | None:
    """Return VALUE as an int, or None if it is not a number."""
    found = number(value)
    return None if found is None else int(found)


def listing(value: object) -> list[Any]:
    """Return VALUE if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def mapping(value: object) -> Mapping[str, Any]:
    """Return VALUE if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: object) -> str:
    """Return VALUE as text; None and absent values are empty."""
    return "" if value is None else str(value)


@dataclass(frozen=True)
class Cell:
    """Typed access to one cell record; times are seconds."""

    record: Mapping[str, Any]

    @property
    def race(self) -> str:
        """The race's name."""
        return text(self.record.get("race")) or "?"

    @property
    def place(self) -> str:
        """Kernel, architecture and platform: where the race ran."""
        return f"{self.kernel} {self.arch} {self.platform}"

    @property
    def theme(self) -> str:
        """The theme the race belongs to, or the race's name where the record names none."""
        return text(self.record.get("theme")) or self.race

    @property
    def mode(self) -> str:
        """natural, widened or control."""
        return text(self.record.get("mode")) or "?"

    @property
    def arch(self) -> str:
        """The guest's or host's architecture."""
        return text(self.record.get("arch")) or "?"

    @property
    def kernel(self) -> str:
        """The kernel's short identity; its version where it has none."""
        kernel = self.record.get("kernel")
        if isinstance(kernel, Mapping):
            return text(kernel.get("id") or kernel.get("version") or kernel.get("release")) or "?"
        return text(kernel) or "?"

    @property
    def kernel_version(self) -> str:
        """The kernel's exact version, empty if unknown."""
        kernel = mapping(self.record.get("kernel"))
        return text(kernel.get("version") or kernel.get("release"))

    @property
    def accel(self) -> str:
        """What executes the machine's instructions: tcg, kvm, metal, or ``unknown``."""
        machine = mapping(self.record.get("machine"))
        accel = text(machine.get("accel")).lower().split(",")[0]
        if accel in ("", "none") and text(machine.get("kind")) in ("local", "ssh"):
            return "metal"
        return accel or "unknown"

    @property
    def platform(self) -> str:
        """Machine kind, accelerator and variant: results of two platforms are never pooled."""
        machine = mapping(self.record.get("machine"))
        parts = [text(machine.get("kind")) or "?", self.accel]
        parts += [text(machine.get(key)) for key in ("variant", "host")
                  if machine.get(key) not in (None, "", "default")]
        return "/".join(parts)

    @property
    def verdict(self) -> str:
        """The verdict word; a record without one was never finished and is an ERROR."""
        return text(self.record.get("verdict")) or "ERROR"

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, one line."""
        return " ".join(text(self.record.get("reason")).split())

    @property
    def expected(self) -> bool | None:
        """Whether the verdict is the expected one; None where configs/expectations.toml is mute."""
        expected = self.record.get("expected")
        if isinstance(expected, Mapping):
            expected = expected.get("met", expected.get("verdict", expected.get("verdicts")))
        if isinstance(expected, str):
            return expected == self.verdict
        if isinstance(expected, (list, tuple)):
            return self.verdict in expected
        return expected if isinstance(expected, bool) else None

    @property
    def rounds(self) -> int | None:
        """Rounds played."""
        return integer(self.record.get("rounds"))

    @property
    def failures(self) -> int | None:
        """How often the oracle failed; a round can fail more than once."""
        return integer(self.record.get("failures"))

    @property
    def first_failure_s(self) -> float | None:
        """Seconds from the first round to the first failing one; None if none failed."""
        return number(self.record.get("time_to_first_failure_s"))

    @property
    def elapsed_s(self) -> float | None:
        """Seconds that the rounds took together."""
        return number(self.record.get("elapsed_s"))

    @property
    def exposure(self) -> Exposure:
        """The window's count, from the record's number or mapping."""
        value = self.record.get("exposure")
        if isinstance(value, Mapping):
            return Exposure(
                text(value.get("counter")),
                integer(value.get("count", value.get("value"))),
                integer(value.get("min")),
            )
        return Exposure("", integer(value), None)

    @property
    def name(self) -> str:
        """A name that is stable from run to run and unique in a run: the cell's coordinates."""
        given = text(self.record.get("cell") or self.record.get("name"))
        if given:
            return given
        return ":".join((self.race, self.mode, self.arch, self.kernel, self.platform))

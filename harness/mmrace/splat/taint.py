# SPDX-License-Identifier: GPL-2.0
"""The kernel's taint: from the number in /proc/sys/kernel/tainted and from a splat's own line.

Source: Documentation/admin-guide/tainted-kernels.rst and taint_flags[] of kernel/panic.c.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Taint:
    """One taint bit; ``fault`` tells whether its appearing during a run is a failure seen."""

    bit: int
    letter: str
    meaning: str
    fault: bool = False


TAINTS = (
    Taint(0, "P", "proprietary module"),
    Taint(1, "F", "module force-loaded"),
    Taint(2, "S", "out of specification system"),
    Taint(3, "R", "module force-unloaded"),
    Taint(4, "M", "machine check", True),
    Taint(5, "B", "bad page", True),
    Taint(6, "U", "set by user space"),
    Taint(7, "D", "died: oops or BUG", True),
    Taint(8, "A", "ACPI table overridden"),
    Taint(9, "W", "warning", True),
    Taint(10, "C", "staging driver"),
    Taint(11, "I", "firmware workaround"),
    Taint(12, "O", "out-of-tree module"),
    Taint(13, "E", "unsigned module"),
    Taint(14, "L", "soft lockup", True),
    Taint(15, "K", "live patched"),
    Taint(16, "X", "distribution's own"),
    Taint(17, "T", "randomised struct layout"),
    Taint(18, "N", "in-kernel test"),
    Taint(19, "J", "fwctl mutating debug write"),
)

_LETTERS = {taint.letter: taint for taint in TAINTS}
_LINE = re.compile(r"\bTainted: (?P<flags>(?:\[?[A-Z]\]?(?:=\w+,?)?| )+)")


def decode(mask: int) -> list[Taint]:
    """The taints of MASK; an unknown bit becomes a fault, since nobody said that it is harmless."""
    known = [taint for taint in TAINTS if mask >> taint.bit & 1]
    rest = mask >> len(TAINTS)
    return known + [Taint(len(TAINTS) + bit, "?", f"unknown taint bit {len(TAINTS) + bit}", True)
                    for bit in range(rest.bit_length()) if rest >> bit & 1]


def new_faults(before: int, after: int) -> list[Taint]:
    """The faults that AFTER has and BEFORE had not: what happened in between."""
    return [taint for taint in decode(after & ~before) if taint.fault]


def from_line(line: str) -> list[Taint]:
    """The taints that a splat's ``CPU: ... Tainted: G W`` line tells; empty for "Not tainted".

    6.12 and later spell them ``[W]=WARN, [O]=OOT_MODULE``.  G stands for no proprietary module.
    """
    found = _LINE.search(line)
    if not found:
        return []
    flags = re.findall(r"\[([A-Z])\]=", line) or re.findall(r"\b[A-Z]+\b", found.group("flags"))
    return [_LETTERS[letter] for letter in "".join(flags) if letter in _LETTERS]

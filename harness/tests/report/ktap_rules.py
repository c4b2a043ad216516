# SPDX-License-Identifier: GPL-2.0
"""A strict reader of KTAP version 1.

Written after Documentation/dev-tools/ktap.rst and the line forms that the kernel's
tools/testing/kunit/kunit_parser.py accepts; where that parser only warns, this one fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_PLAN = re.compile(r"1\.\.(\d+)$")
_RESULT = re.compile(
    r"(ok|not ok) (\d+) ([^#\n]*?)(?: # (SKIP|TODO|XFAIL|TIMEOUT|ERROR)(?: (.*))?)?$")
_SUBTEST = re.compile(r"# Subtest: (\S.*)$")


class KtapError(Exception):
    """The text breaks a rule of KTAP; the message names the line."""


@dataclass
class Test:
    """One result; ``outcome`` is pass, fail or skip."""

    name: str
    outcome: str
    directive: str = ""
    reason: str = ""
    diagnostics: list[str] = field(default_factory=list)
    children: list[Test] = field(default_factory=list)


class _Reader:
    def __init__(self, text: str) -> None:
        if not text.endswith("\n"):
            raise KtapError("the last line is not terminated")
        self.lines = text[:-1].split("\n")
        self.at = 0

    def fail(self, why: str) -> KtapError:
        line = self.lines[self.at] if self.at < len(self.lines) else "(end)"
        return KtapError(f"line {self.at + 1}: {why}: {line!r}")

    def peek(self, depth: int) -> str | None:
        """The next line without its indentation, None where the level ends."""
        if self.at >= len(self.lines):
            return None
        line = self.lines[self.at]
        indent = len(line) - len(line.lstrip(" "))
        if indent % 4 or indent > depth * 4 and not line.strip().startswith("KTAP version"):
            raise self.fail("wrong indentation")
        return line.strip() if indent == depth * 4 else None

    def level(self, depth: int) -> tuple[list[Test], str]:
        """One document or subtest: version line, plan, results; its tests and subtest name."""
        if self.peek(depth) != "KTAP version 1":
            raise self.fail("a level must start with its version line")
        self.at += 1
        name = ""
        found = _SUBTEST.match(self.peek(depth) or "")
        if found:
            name, self.at = found.group(1), self.at + 1
        elif depth:
            raise self.fail("a subtest must name itself")
        plan = _PLAN.match(self.peek(depth) or "")
        if not plan:
            raise self.fail("no plan")
        self.at += 1
        tests = [self.result(depth, number + 1) for number in range(int(plan.group(1)))]
        return tests, name

    def result(self, depth: int, number: int) -> Test:
        diagnostics: list[str] = []
        children: list[Test] = []
        subtest = ""
        while True:
            line = self.peek(depth)
            if line is None:
                if self.at >= len(self.lines):
                    raise self.fail("fewer results than planned")
                children, subtest = self.level(depth + 1)
            elif line.startswith("#"):
                if not line.startswith("# ") or _SUBTEST.match(line):
                    raise self.fail("bad diagnostic line")
                diagnostics.append(line[2:])
                self.at += 1
            else:
                break
        found = _RESULT.match(line)
        if not found or int(found.group(2)) != number:
            raise self.fail(f"expected result {number}")
        verdict, name, directive = found.group(1), found.group(3), found.group(4) or ""
        if not name or children and name != subtest:
            raise self.fail("a result must bear its subtest's name")
        outcome = "skip" if directive == "SKIP" else "pass" if verdict == "ok" else "fail"
        if children and any(child.outcome == "fail" for child in children) != (outcome == "fail"):
            raise self.fail("a parent fails exactly when a child does")
        self.at += 1
        return Test(name, outcome, directive, found.group(5) or "", diagnostics, children)


def parse(text: str) -> list[Test]:
    """The top-level tests of TEXT; KtapError if it is not KTAP version 1."""
    reader = _Reader(text)
    if reader.peek(0) != "KTAP version 1":
        raise reader.fail("no version line")
    tests, _ = reader.level(0)
    if reader.at != len(reader.lines):
        raise reader.fail("more than the plan")
    return tests

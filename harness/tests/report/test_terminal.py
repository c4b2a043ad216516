# SPDX-License-Identifier: GPL-2.0
"""The terminal's view: a table where there is room, stable plain lines everywhere else."""

from __future__ import annotations

import io
from typing import Any

from mmrace.report import print_summary
from mmrace.report.cells import Cell
from mmrace.report.verdicts import LOOKS, look
from rich.console import Console


def record(**changes: Any) -> dict[str, Any]:
    """Return a valid cell record, with CHANGES."""
    return {
        "schema": 1,
        "race": "lost-write",
        "mode": "natural",
        "arch": "ppc64le",
        "kernel": {"id": "debian:bookworm", "version": "6.1.176"},
        "machine": {"kind": "qemu", "accel": "tcg", "vcpus": 4},
        "verdict": "RACE",
        "reason": "page 3 on disk holds 41,\n the writer stored 44",
        "expected": True,
        "rounds": 3742,
        "failures": 3,
        "time_to_first_failure_s": 0.156,
        "exposure": 123456,
    } | changes


def printed(*records: dict[str, Any], terminal: bool = False, width: int = 200) -> str:
    """Return what print_summary prints for RECORDS."""
    out = io.StringIO()
    # TERM is named: rich has 80 columns on a dumb terminal, whatever width is asked for.
    print_summary(records, Console(file=out, force_terminal=terminal, width=width,
                                   _environ={"TERM": "xterm"}))
    return out.getvalue()


def test_a_pipe_gets_one_unwrapped_line_a_cell() -> None:
    lines = printed(record(), record(verdict="PASS", reason="x" * 300), width=40).splitlines()
    assert sum("lost-write natural debian:bookworm ppc64le qemu/tcg" in line for line in lines) == 2
    race = next(line for line in lines if line.startswith("RACE"))
    assert "first=156ms rounds=3,742 failures=3 exposure=123,456" in race
    assert race.endswith("page 3 on disk holds 41, the writer stored 44")


def test_a_pipe_gets_no_escape_sequences() -> None:
    assert "\x1b" not in printed(record(reason="[bold]not markup[/bold]"))
    assert "[bold]not markup[/bold]" in printed(record(reason="[bold]not markup[/bold]"))


def test_a_wide_terminal_gets_a_table_and_a_narrow_one_lines() -> None:
    assert "first failure" in printed(record(), terminal=True)
    assert "first failure" not in printed(record(), terminal=True, width=80)


def test_only_pass_is_green() -> None:
    assert [word for word, found in LOOKS.items() if "green" in found.style] == ["PASS"]
    assert look("FINE").family == "broken"


def test_an_unexpected_verdict_is_news() -> None:
    out = printed(record(expected=False), record(), record(expected=None))
    assert "1 not as expected" in out and out.count("expected=NEWS") == 1


def test_tcg_says_what_it_cannot_show() -> None:
    out = printed(record(), record(machine={"kind": "ssh", "accel": "metal"}))
    assert "no weak memory ordering (ppc64le emulated on x86_64)" in out
    assert "metal, tcg are unlike platforms" in out
    assert "weak memory ordering" not in printed(record(arch="s390x"))


def test_too_little_exposure_shows_the_minimum() -> None:
    seen = {"counter": "gather.begin", "count": 3, "min": 1000}
    assert "exposure=3of1,000" in printed(record(exposure=seen))


def test_a_damaged_record_is_shown_and_never_good() -> None:
    nothing: dict[str, Any] = {}
    odd: dict[str, Any] = {"verdict": None, "kernel": 7, "machine": [], "exposure": "many"}
    for damaged in (nothing, odd):
        cell = Cell(damaged)
        assert cell.verdict == "ERROR" and cell.accel == "unknown"
        assert "ERROR" in printed(damaged)

# SPDX-License-Identifier: GPL-2.0
"""Expectations: version comparisons, and the shipped file's own entries."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mmrace.cell import Cell
from mmrace.errors import UsageError
from mmrace.expectations import as_expected, expectation, own_failures, rules, version_matches
from mmrace.verdict import Verdict


@pytest.mark.parametrize("version, comparisons, matches", [
    ("6.1.176", ("<6.2",), True),
    ("6.2", ("<6.2",), False),
    ("6.12.107", ("<6.2",), False),
    ("5.10.223", ("<6.2", ">=5.10"), True),
    ("5.4", ("<6.2", ">=5.10"), False),
    ("7.2.13", (), True),
])
def test_versions_compare_by_number(version: str, comparisons: tuple[str, ...],
                                    matches: bool) -> None:
    assert version_matches(version, comparisons) is matches


def test_a_bad_comparison_is_named() -> None:
    with pytest.raises(UsageError, match="~6.2"):
        version_matches("6.1", ("~6.2",))


def cell(arch: str, mode: str) -> Cell:
    """A lost-write cell."""
    return Cell("debian:bookworm", arch, "lost-write", mode, 5, 1)


def test_the_known_bug_is_expected_where_it_is_and_only_there() -> None:
    assert expectation(cell("x86_64", "widened"), "6.1.176").verdicts == (Verdict.RACE,)
    for arch, version in (("x86_64", "6.12.107"), ("s390x", "6.1.176")):
        assert Verdict.RACE not in expectation(cell(arch, "widened"), version).verdicts


def test_a_breach_of_a_law_is_expected_of_any_race_where_laws_are_judged() -> None:
    judged = replace(cell("x86_64", "natural"), race="one-memory", checkers=True)
    assert Verdict.FINDING in expectation(judged, "6.1.176").verdicts
    for other, version in ((judged, "6.12.107"), (replace(judged, checkers=False), "6.1.176"),
                           (replace(judged, arch="s390x"), "6.1.176")):
        assert Verdict.FINDING not in expectation(other, version).verdicts
    lost = replace(judged, race="lost-write")
    assert expectation(lost, "6.1.176").verdicts == (Verdict.RACE, Verdict.FINDING)


def test_a_kernel_s_own_failures_are_those_of_both_modes() -> None:
    assert own_failures(cell("x86_64", "control"), "6.1.176") == (Verdict.RACE,)
    assert own_failures(cell("x86_64", "control"), "6.12.107") == ()


@pytest.mark.parametrize("change, expected", [
    ({}, True),
    ({"variant": "default"}, False),
    ({"kernel": "source:trixie+slim"}, False),
    ({"kernel": "debian:trixie"}, False),
])
def test_what_shows_on_some_machines_and_kernels_alone(change: dict[str, str],
                                                       expected: bool) -> None:
    known = Cell("source:trixie+debug", "ppc64le", "stale-translation", "natural", 5, 1,
                 variant="numa")
    verdicts = expectation(replace(known, **change), "6.12.107").verdicts
    assert (Verdict.PANIC in verdicts) is expected


@pytest.mark.parametrize("changed, says", [
    ('race = "lost-wrote"', "'race' has the unknown 'lost-wrote'"),
    ('arches = ["vax"]', "'arches' has the unknown 'vax'"),
    ('modes = ["wide"]', "'modes' has the unknown 'wide'"),
    ('kernel = ["~6.2"]', "bad kernel comparison '~6.2'"),
    ('verdicts = ["BAD"]', "'BAD' is not a valid Verdict"),
    ('machines = ["vax"]', "unknown machine variant 'vax'"),
    ('scenarios = ["slom"]', "unknown scenario 'slom'"),
    ('raeson = "x"', "'raeson' means nothing here; did you mean 'reason'?"),
])
def test_an_entry_that_could_never_match_is_refused(changed: str, says: str,
                                                    tmp_path: Path) -> None:
    entry = {"race": '"lost-write"', "arches": '["x86_64"]', "verdicts": '["RACE"]',
             "reason": '"why"'}
    key, _, value = changed.partition(" = ")
    path = tmp_path / "expectations.toml"
    path.write_text("[[expect]]\n" + "".join(
        f"{name} = {word}\n" for name, word in (entry | {key: value}).items()))
    with pytest.raises(UsageError, match=re.escape("expect 1: " + says)):
        rules(path)


@pytest.mark.parametrize("verdict, expected, fine", [
    ("SKIP", None, True), ("INFRA", None, False), ("RACE", {"met": True}, True),
    ("SKIP", {"met": False}, False),
])
def test_what_never_had_a_machine_may_be_a_skip(verdict: str, expected: dict[str, bool] | None,
                                                fine: bool) -> None:
    assert as_expected({"verdict": verdict, "expected": expected}) is fine


def test_expected_record_says_whether_it_was_met() -> None:
    record = expectation(cell("x86_64", "widened"), "6.1.176").record(Verdict.PASS)
    assert record["met"] is False and record["fix"] == "5df397dec7c4"


def test_every_entry_gives_a_reason() -> None:
    assert all(rule.expectation.reason for rule in rules())


def test_a_control_must_be_detected_but_where_the_kernel_fails_before() -> None:
    split = replace(cell("s390x", "control"), race="thp-split-gup", variant="s390x-edat")
    assert Verdict.INCONCLUSIVE in expectation(split, "6.1.176").verdicts
    for other, version in ((split, "6.12.107"), (replace(split, variant="default"), "6.1.176"),
                           (cell("x86_64", "control"), "6.1.176")):
        assert expectation(other, version).verdicts == (Verdict.PASS, Verdict.SKIP)

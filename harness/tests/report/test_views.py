# SPDX-License-Identifier: GPL-2.0
"""KTAP, JUnit and JSON: the same verdicts in the words of others, from whole and damaged runs."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from mmrace import report
from mmrace.report import junit, ktap, results_json, runs
from mmrace.report.sqlite_index import Index
from mmrace.report.verdicts import LOOKS
from mmrace.verdict import Verdict

from . import ktap_rules
from .report_sample import many, record, write_run

OUTCOMES = {"PASS": "pass", "SKIP": "skip", "INCONCLUSIVE": "skip"}
ELEMENTS = {"PASS": None, "SKIP": "skipped", "INCONCLUSIVE": "skipped", "ERROR": "error",
            "INFRA": "error"}


def test_the_words_are_those_of_the_verdicts() -> None:
    assert set(LOOKS) == set(Verdict)
    assert {word for word, look in LOOKS.items() if look.family == "fail"} == {
        word for word in Verdict if word.is_failure}


@pytest.mark.parametrize("verdict", LOOKS)
def test_every_verdict_in_ktap(verdict: str) -> None:
    (theme,) = ktap_rules.parse(ktap.render([record(verdict=verdict, cell="one")]))
    (cell,) = theme.children
    assert (cell.name, cell.outcome) == ("one", OUTCOMES.get(verdict, "fail"))
    assert f"verdict: {verdict} " in cell.diagnostics[0]
    assert any(line.startswith("replay: ./mmrace run ") for line in cell.diagnostics)


@pytest.mark.parametrize("verdict", LOOKS)
def test_every_verdict_in_junit(verdict: str) -> None:
    root = Xml.fromstring(junit.render([record(verdict=verdict)]))
    (case,) = root.iter("testcase")
    outcomes = [child for child in case if child.tag != "properties"]
    assert [child.tag for child in outcomes] == list(
        filter(None, [ELEMENTS.get(verdict, "failure")]))
    assert all(child.get("type") == verdict for child in outcomes)
    assert {item.get("name"): item.get("value") for item in case.iter("property")}[
        "verdict"] == verdict


def test_hostile_text_stays_inside() -> None:
    hostile = record(cell="a # SKIP\nnot ok 2", reason="]]> <x> # TODO\x00\x1b[31m\nok 9 z\ud800")
    (theme,) = ktap_rules.parse(ktap.render([hostile]))
    assert len(theme.children) == 1 and theme.outcome == "fail"
    (case,) = Xml.fromstring(junit.render([hostile])).iter("testcase")
    assert "<x>" in str(case.find("failure").get("message"))  # type: ignore[union-attr]


def test_a_large_run_is_counted_alike_everywhere(tmp_path: Path) -> None:
    cells = many(900)
    home = write_run(tmp_path / "run", cells)
    page, xml, tap, data = report.write_all(home)
    assert [path.name for path in (page, xml, tap, data)] == [
        "report.html", "junit.xml", "results.ktap", "results.json"]
    leaves = [leaf for theme in ktap_rules.parse(tap.read_text()) for leaf in theme.children]
    suites = Xml.parse(xml).getroot().findall("testsuite")
    counts = json.loads(data.read_text())["verdicts"]
    passed = counts["PASS"]
    failed = sum(counts.get(word, 0) for word in ("RACE", "FINDING", "SPLAT", "PANIC", "HANG"))
    broken = counts.get("ERROR", 0) + counts.get("INFRA", 0)
    assert sum(leaf.outcome == "pass" for leaf in leaves) == passed
    assert sum(leaf.outcome == "fail" for leaf in leaves) == failed + broken
    for name, wanted in (("tests", 900), ("failures", failed), ("errors", broken)):
        assert sum(int(suite.get(name, "0")) for suite in suites) == wanted


def test_the_last_record_of_a_cell_counts_and_damage_is_named(tmp_path: Path) -> None:
    home = write_run(tmp_path / "run", [record()])
    with (home / "results.ndjson").open("a") as results:
        results.write('{"schema": 1, "race": "cut off in the mid')
    (home / "run.json").write_text("{")
    run = runs.load(home)
    assert [cell.verdict for cell in run.cells] == ["RACE"]
    assert run.damaged == ["run.json", "results.ndjson"]
    assert results_json.document(run)["damaged"] == run.damaged


def test_a_run_without_results_is_read_from_its_cells(tmp_path: Path) -> None:
    home = write_run(tmp_path / "run", [record()])
    (home / "results.ndjson").unlink()
    assert [cell.verdict for cell in runs.load(home).cells] == ["RACE"]
    with pytest.raises(FileNotFoundError, match="no such run directory"):
        runs.load(tmp_path / "none")


ODD: tuple[Any, ...] = (None, True, -1, 10**30, math.nan, -math.inf, "x", [], [1, {"a": []}], {},
                        {"count": "x"})


def test_no_record_is_so_odd_that_a_run_or_its_neighbour_has_no_report(tmp_path: Path) -> None:
    plain = record()
    odd = [plain | {"cell": f"{key}-{index}", key: value}
           for key in (*plain, "replaces", "findings", "splats", "counters", "options")
           for index, value in enumerate(ODD)]
    home = write_run(tmp_path / "odd", [])
    (home / "results.ndjson").write_text("".join(json.dumps(one) + "\n" for one in odd))
    page, xml, tap, _ = report.write_all(home)
    ktap_rules.parse(tap.read_text())
    Xml.parse(xml)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>',
                         page.read_text(), re.DOTALL)
    assert len(json.loads(data, parse_constant=pytest.fail)["cells"]) > 100
    report.write_all(write_run(tmp_path / "neighbour", [plain]))
    with Index(tmp_path) as index:
        assert {run.name for run in index.list_runs()} == {"odd", "neighbour"}


@pytest.mark.parametrize("text, complaint", [
    ("1..1\nok 1 a\n", "version"),
    ("KTAP version 1\n1..2\nok 1 a\n", "fewer results"),
    ("KTAP version 1\n1..1\nok 2 a\n", "expected result 1"),
    ("KTAP version 1\n1..1\nok 1 a\nok 2 b\n", "more than the plan"),
    ("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: a\n    1..1\n    not ok 1 b\n"
     "ok 1 a\n", "exactly when a child"),
])
def test_the_validator_is_strict(text: str, complaint: str) -> None:
    with pytest.raises(ktap_rules.KtapError, match=complaint):
        ktap_rules.parse(text)

# SPDX-License-Identifier: GPL-2.0
"""Mutants: the records are sound, and a find is one only against the unmutated kernel."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from mmrace import build, cli, config, mutants, mutants_view
from mmrace.cell import Cell
from mmrace.commands import mutants as commands
from mmrace.commands.mutants import stored
from mmrace.errors import UsageError
from mmrace.kernels import parse_id
from mmrace.mutants import Campaign, Mutant, Plan, Score, Trial, seers
from mmrace.session import Session

PLAN = Plan(duration=5.0, boots=2, seed=1)


class CannedSession:
    """Gives each cell the verdict that its kernel, race and mode are listed with."""

    def __init__(self, failing: set[tuple[bool, str, str]],
                 known: bool = False) -> None:
        self.failing = failing
        self.known = known
        self.seen: list[Cell] = []

    def cells(self, cells: Iterable[Cell]) -> Iterator[dict[str, Any]]:
        """A record of the shape that a session yields."""
        for cell in cells:
            self.seen.append(cell)
            fails = ("," in cell.kernel, cell.race, cell.mode) in self.failing
            yield {"verdict": "RACE" if fails else "INCONCLUSIVE", "failures": int(fails),
                   "findings": [], "splats": [], "replay": cell.replay(), "theme": "a-theme",
                   "kernel": {"version": "1"}, "reason": "",
                   "expected": {"met": self.known or not fails},
                   "time_to_first_failure_s": 0.5 if fails else None}


def rows_of(failing: set[tuple[bool, str, str]],
            done: Sequence[dict[str, Any]] = (), known: bool = False) -> list[dict[str, Any]]:
    """The rows of one mutant with two races, and of its control, whose failures may be known."""
    base = next(iter(mutants.mutants().values()))
    mutant = Mutant(name="m", source="source:trixie", patch=base.patch, arches=("x86_64",),
                    trials=(Trial("lost-write"), Trial("one-memory")))
    session = cast(Session, CannedSession(failing, known))
    return list(Campaign(session, PLAN, print, done).run([mutant], "x86_64"))


def test_a_failure_of_the_mutant_alone_is_a_find() -> None:
    control, row = rows_of({(True, "lost-write", "widened")})
    assert control["mutant"] is None and not control["found"] and control["cells"] == 8
    assert row["found"] and row["found_by"] == ["data"] and row["median_s"] == 0.5
    hits = {(score["race"], score["mode"]): score["hits"] for score in row["races"]}
    assert hits == {("lost-write", "natural"): 0, ("lost-write", "widened"): 2,
                    ("one-memory", "natural"): 0, ("one-memory", "widened"): 0}


def test_what_fails_without_the_patch_too_is_no_find_but_a_false_alarm() -> None:
    control, row = rows_of({(False, "lost-write", "natural"), (True, "lost-write", "widened")})
    assert control["found"] and mutants_view.verdict(control) == "FALSE ALARM"
    assert not row["found"] and row["median_s"] is None
    assert mutants_view.verdict(row) == "not found"


def test_a_kernel_s_known_bug_is_no_false_alarm_and_no_find_either() -> None:
    control, row = rows_of({(False, "lost-write", "natural"), (True, "lost-write", "widened")},
                           known=True)
    assert control["found"] and mutants_view.verdict(control) == "known bug"
    assert not row["found"]
    assert mutants_view.score_lines([control, row])[0].endswith(
        "false alarms on unmutated kernels: 0")


def test_an_architecture_may_need_a_machine_of_its_own() -> None:
    mutant = mutants.mutants()["split-wrong-address"]
    assert mutant.on("x86_64").machine == "default"
    session = CannedSession(set())
    rows = list(Campaign(cast(Session, session), PLAN, print).run([mutant], "s390x"))
    assert {row["machine"] for row in rows} == {"s390x-edat"}
    assert {cell.variant for cell in session.seen} == {"s390x-edat"}


def test_what_an_earlier_run_has_is_not_run_again_but_counts() -> None:
    earlier = rows_of({(False, "lost-write", "natural")})
    assert rows_of(set(), done=earlier) == []
    assert rows_of(set(), done=earlier[1:]) == [], "nothing to compare, so no control"
    skipped = [{**row, "judged": 0} for row in earlier]
    assert len(rows_of(set(), done=skipped)) == len(earlier), "where all was a SKIP, say"
    again, = rows_of({(True, "lost-write", "natural"), (True, "one-memory", "natural")},
                     done=earlier[:1])
    hits = {score["race"]: score["hits"] for score in again["races"] if score["hits"]}
    assert hits == {"one-memory": 2}, "what failed on the unmutated kernel is no find"


def test_rows_are_made_of_stored_records_too() -> None:
    laws = [{"law": "flush-first"}, {"law": "noisy"}]
    common: dict[str, Any] = {
        "arch": "x86_64", "theme": "a-theme",
        "machine": {"variant": "default"}, "race": "lost-write", "options": {},
        "mode": "widened", "splats": [], "failures": 0, "replay": "",
        "time_to_first_failure_s": None, "verdict": "FINDING"}
    name = next(iter(mutants.mutants()))
    mutated = {**common, "kernel": {"id": f"source:trixie+slim,configs/mutants/{name}.patch"},
               "findings": laws}
    control = {**common, "kernel": {"id": "source:trixie+slim"}, "findings": laws[1:]}
    first, second = mutants.rows_of([mutated, control])
    assert first["mutant"] is None and first["found_by"] == ["checker noisy"]
    assert second["mutant"] == name and second["found_by"] == ["checker flush-first"]


def test_what_ran_on_another_machine_than_a_mutant_wants_does_not_count() -> None:
    record: dict[str, Any] = {
        "kernel": {"id": "source:trixie+slim,configs/mutants/split-wrong-address.patch"},
        "arch": "s390x", "theme": "a-theme", "machine": {"variant": "default"}, "failures": 0,
        "race": "thp-split-gup", "mode": "natural", "splats": [], "replay": "",
        "time_to_first_failure_s": None, "verdict": "SKIP"}
    assert mutants.rows_of([record]) == []
    row, = mutants.rows_of([{**record, "machine": {"variant": "s390x-edat"}}])
    assert row["mutant"] == "split-wrong-address"


def test_a_cell_that_was_run_again_counts_as_it_was_then(tmp_path: Path) -> None:
    name = next(iter(mutants.mutants()))
    common: dict[str, Any] = {
        "name": "a-cell", "kernel": {"id": f"source:trixie+slim,configs/mutants/{name}.patch"},
        "arch": "x86_64", "theme": "a-theme", "machine": {"variant": "default"},
        "race": "lost-write", "mode": "natural", "splats": [], "replay": "", "failures": 0,
        "time_to_first_failure_s": None, "verdict": "INCONCLUSIVE"}
    runs = [tmp_path / "old", tmp_path / "new"]
    for run, failures in zip(runs, (1, 0)):
        run.mkdir()
        (run / "results.ndjson").write_text("".join(
            json.dumps({**common, "cell": cell, "failures": count}) + "\n"
            for cell, count in (("a-cell", 9), ("a-cell", failures), ("a-cell.2", failures))))
    row, = stored(runs[:1])
    assert (row["found"], row["races"][0]["boots"]) == (True, 2)
    row, = stored(runs)
    assert (row["found"], row["races"][0]["boots"]) == (False, 2)


def test_a_run_that_died_in_a_line_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    record = {"cell": "1", "name": "a", "kernel": {"id": "source:trixie+slim"}, "arch": "x86_64",
              "machine": {"variant": "default"}, "race": "lost-write", "mode": "widened",
              "splats": [], "failures": 0, "replay": "", "verdict": "INCONCLUSIVE",
              "theme": "a-theme", "time_to_first_failure_s": None}
    (tmp_path / "results.ndjson").write_text(json.dumps(record) + '\n{"cell": "2", "na')
    row, = stored([tmp_path])
    assert row["cells"] == 1


def test_a_page_names_what_its_own_kernel_and_architecture_lack(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/results.ndjson").write_text(json.dumps({
        "cell": "1", "name": "a", "kernel": {"id": "source:bookworm+slim"}, "arch": "x86_64",
        "machine": {"variant": "default"}, "race": "lost-write", "mode": "widened", "splats": [],
        "failures": 0, "replay": "", "verdict": "PASS", "theme": "a-theme",
        "time_to_first_failure_s": None}) + "\n")
    page = tmp_path / "page.md"
    assert cli.main(["mutants", "--from", str(tmp_path / "run"), "--doc", str(page)]) == 0
    unrun, = re.findall(r"^- not run yet: (.*)$", page.read_text(), re.MULTILINE)
    assert set(unrun.split(", ")) == {
        f"{mutant.name} (x86_64)" for mutant in mutants.find([], "bookworm")
        if "x86_64" in mutant.arches}
    assert "Where nothing can see one" not in page.read_text()


@pytest.mark.parametrize("words, told", [
    (["--base", "potato"], "no mutant has a patch for 'potato'; --base takes: bookworm, trixie"),
    (["--arch", "vax"], "unknown architecture 'vax'"),
    (["--arch", "s390x", "hugetlb-unshare-unflushed"], "none of these mutants is for s390x"),
    (["--machine", "numa"], "--machine goes with --patch and --tree"),
    (["--scenario", "debug"], "--scenario goes with --patch and --tree"),
    (["--every-race"], "--every-race goes with --patch and --tree"),
])
def test_what_would_run_nothing_is_refused(words: list[str], told: str,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mutants", *words]) == 2
    # A terminal breaks long lines.
    assert told in " ".join(capsys.readouterr().err.split())


def test_why_nothing_was_judged_is_printed_as_it_is(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    row, = rows_of(set())[1:]
    row.update(judged=0, reason="make: *** [/src/Makefile.build:234: init/main.o] Error 1")
    monkeypatch.setattr(commands, "stored", lambda _: [row])
    assert cli.main(["mutants", "--from", str(tmp_path)]) == 125
    captured = capsys.readouterr()
    assert "[/src/Makefile.build:234: init/main.o]" in captured.out + captured.err


def test_every_kind_of_evidence_counts() -> None:
    clean: dict[str, Any] = {"verdict": "PASS", "theme": "a-theme", "failures": 0,
                             "findings": [], "splats": []}
    assert seers(clean) == set()
    assert seers({**clean, "failures": 1, "findings": [{"law": "a-law"}, {"dropped": 1}]}) == {
        "data", "checker a-law"}
    assert seers({**clean, "verdict": "HANG"}) == {"splat"}
    assert seers({**clean, "splats": [{}]}) == {"splat"}
    assert seers({**clean, "verdict": "PANIC", "theme": None}) == set(), "no race was begun"
    assert seers({**clean, "verdict": "ERROR", "exit_signal": 9}) == set(), "it was killed"


def test_a_program_that_dies_of_a_fault_before_it_speaks_is_a_crash() -> None:
    score = Score(Trial("lost-write"), "natural")
    dead: dict[str, Any] = {
        "verdict": "ERROR", "theme": None, "failures": 0, "findings": [], "splats": [],
        "exit_signal": 11, "reason": "the race died of signal 11", "replay": "again",
        "time_to_first_failure_s": None}
    score.add(dead)
    assert (score.seers, score.hits, score.judged) == ({"crash"}, 1, 1)
    score.add({**dead, "exit_signal": None, "reason": "no such machine"})
    assert (score.hits, score.judged) == (1, 1), "of a race that was not begun nothing is said"
    quiet = Score(Trial("lost-write"), "natural", noise={"crash"})
    quiet.add(dead)
    assert not quiet.hits, "it dies on the unmutated kernel as well"


def test_a_later_run_of_a_mutant_counts_and_the_page_says_what_was_found() -> None:
    old = rows_of(set())
    new = rows_of({(True, "lost-write", "natural")})
    page = mutants_view.page(mutants_view.merged([*old, *new]))
    assert page.startswith("# Mutants: x86_64 source:trixie\n")
    assert "x86_64, source:trixie: 1 of 1 mutants found" in page
    assert "false alarms on unmutated kernels: 0" in page
    assert page.count("| m |") == 1
    silent = "one-memory: natural 0 of 2 (INCONCLUSIVE), widened 0 of 2 (INCONCLUSIVE)"
    assert ("| lost-write: natural 2 of 2, widened 0 of 2 (INCONCLUSIVE)<br>"
            f"{silent} |") in page
    ran = page.partition("## What ran on the unmutated kernel\n\n")[2].partition("\n\n")[0]
    assert [line.partition(", ")[2] for line in ran.splitlines()] == [
        silent.replace("one-memory", "lost-write"), silent]
    moved = [{**row, "machine": "numa"} for row in new]
    assert [(row["mutant"], row["machine"]) for row in mutants_view.merged([*old, *moved])] == [
        (None, "default"), (None, "numa"), ("m", "numa")], "its record names another machine now"
    assert "by a crash alone" not in page
    crashed = {**new[1], "found_by": ["crash"]}
    assert ("x86_64, source:trixie: 1 of 1 mutants found (1 by a crash alone)"
            in mutants_view.page([crashed]))
    assert "not run yet" not in page
    assert "not run yet: other (s390x)" in mutants_view.page(new, ["other (s390x)"])


def test_a_mutant_may_have_a_patch_for_another_suite() -> None:
    own, = mutants.find(["mprotect-unflushed"])
    other, = mutants.find(["mprotect-unflushed"], "bookworm")
    assert (own.source, other.source) == ("source:trixie", "source:bookworm")
    assert str(other.patch).endswith("/mprotect-unflushed.bookworm.patch")
    same, = mutants.find(["nested-gather-ignored"], "bookworm")
    assert str(same.patch).endswith("/nested-gather-ignored.patch"), "it fits both"
    assert mutants.find(["mprotect-unflushed"], "trixie") == [own]
    assert {mutant.source for mutant in mutants.find([], "bookworm")} == {"source:bookworm"}
    with pytest.raises(UsageError, match="'swapin-twice' has no patch for bookworm"):
        mutants.find(["swapin-twice"], "bookworm")
    record: dict[str, Any] = {
        "kernel": {"id": "source:bookworm+slim,configs/mutants/mprotect-unflushed.bookworm.patch"},
        "arch": "x86_64", "theme": "a-theme", "machine": {"variant": "default"},
        "race": "stale-translation", "mode": "natural", "splats": [], "replay": "", "failures": 1,
        "time_to_first_failure_s": 1.5, "verdict": "RACE"}
    dropped = {"id": "source:bookworm+slim,configs/mutants/swapin-twice.bookworm.patch"}
    row, = mutants.rows_of([record, {**record, "kernel": dropped}])
    assert (row["mutant"], row["median_s"]) == ("mprotect-unflushed", 1.5)
    assert mutants_view.score_lines([row])[0].startswith("x86_64, source:bookworm: 1 of 1 ")


def test_where_nothing_can_see_a_mutant_the_page_says_why(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = rows_of(set())[1]
    assert "Where nothing" not in mutants_view.page([row])
    assert "- **m** on s390x: no such thing." in mutants_view.page(
        [row], unseen=["**m** on s390x: no such thing."])
    monkeypatch.setattr(mutants, "MUTANTS", tmp_path)
    (tmp_path / "m.patch").write_text("")
    record = tmp_path / "m.toml"
    known = ('description = "d"\ntheme = "t"\nbase = "trixie"\narches = ["x86_64"]\n'
             'seen_by = ["data"]\nunseen = {{ {} = "none" }}\n')
    record.write_text(known.format("s390x"))
    assert mutants.load(record).unseen == (("s390x", "none"),)
    record.write_text(known.format("s390x") + 'sen_by = ["data"]\n')
    with pytest.raises(UsageError, match="'sen_by' means nothing here; did you mean 'seen_by'"):
        mutants.load(record)
    record.write_text(known.format("s390x") + '[[races]]\nrace = "lost-write"\noption = []\n')
    with pytest.raises(UsageError, match="races 1: 'option' means nothing here"):
        mutants.load(record)
    record.write_text(known.format("x86_64"))
    with pytest.raises(UsageError, match="x86_64 is in 'arches' and in 'unseen'"):
        mutants.load(record)


@pytest.mark.parametrize("mutant", mutants.mutants().values(), ids=list(mutants.mutants()))
def test_a_record_names_races_and_options_that_there_are(mutant: Mutant) -> None:
    for arch in mutant.arches:
        parse_id(mutant.kernel, config.arch(arch))
    assert mutant.trials, "a mutant that no race is run on cannot be found"
    for trial in mutant.trials:
        binary = build.races(config.arch("x86_64")) / trial.race
        described = json.loads(subprocess.run([binary, "--describe"], check=True,
                                              stdout=subprocess.PIPE).stdout)
        known = {option["name"]: option["values"] for option in described["options"]}
        for key, value in trial.options:
            assert key in known
            assert not known[key] or value in known[key]

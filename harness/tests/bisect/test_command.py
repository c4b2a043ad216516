# SPDX-License-Identifier: GPL-2.0
"""The command on a real git history with merges and a flaky test; stop, resume, report."""

import argparse
import json
import subprocess
from pathlib import Path

import pytest

from mmrace.bisect import git
from mmrace.bisect.cli import main
from mmrace.bisect.command import kind_of
from mmrace.bisect.confirm import fisher, power
from mmrace.bisect.graph import GraphError
from mmrace.bisect.log import Log, LogError, read, replay
from mmrace.bisect.options import add_arguments
from mmrace.bisect.settings import Kind, Settings
from mmrace.bisect.state import State
from mmrace.errors import UsageError

CULPRIT = "the culprit"

FLAKY = """#!/bin/sh
# Fails in three trials of five where `bug` is there; counts its trials.
n=$(cat "$COUNT" 2>/dev/null || echo 0); echo $((n + 1)) >"$COUNT"
test -e mute && exit 125
test -e bug || exit 0
case $((n * 7919 % 5)) in 0|1|3) exit 1 ;; esac
exit 0
"""


def run(tree: Path, *args: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", "-C", str(tree), *identity, *args], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(tree: Path, name: str, *, bug: bool = False, mute: bool = False) -> str:
    (tree / name.replace(" ", "-")).write_text(name)
    if bug:
        (tree / "bug").write_text("x")
    if mute:
        (tree / "mute").write_text("x")
    elif (tree / "mute").exists():
        (tree / "mute").unlink()
    run(tree, "add", "-A")
    run(tree, "commit", "-q", "-m", name)
    return run(tree, "rev-parse", "HEAD")


@pytest.fixture(name="tree")
def make_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two merges; the culprit sits on a side branch; one commit cannot be tried."""
    tree = tmp_path / "tree"
    tree.mkdir()
    run(tree, "init", "-q", "-b", "main")
    commit(tree, "base")
    run(tree, "tag", "old")
    for number in range(4):
        commit(tree, f"main {number}", mute=number == 2)
    run(tree, "checkout", "-q", "-b", "side")
    commit(tree, "side 0")
    commit(tree, CULPRIT, bug=True)
    commit(tree, "side 1")
    run(tree, "checkout", "-q", "main")
    commit(tree, "main 4")
    run(tree, "checkout", "-q", "-b", "harmless")
    commit(tree, "harmless 0")
    run(tree, "checkout", "-q", "main")
    commit(tree, "main 5")
    run(tree, "merge", "-q", "--no-ff", "-m", "merge harmless", "harmless")
    run(tree, "merge", "-q", "--no-ff", "-m", "merge side", "side")
    commit(tree, "main 6")
    (tmp_path / "flaky").write_text(FLAKY)
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    return tree


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args(words))


def bisect(tree: Path, *more: str) -> int:
    script = tree.parent / "flaky"
    return command("--tree", str(tree), "--run", f"sh {script}", "--out", str(tree.parent / "out"),
                   *more)


def test_names_the_culprit_on_a_side_branch(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bisect(tree, "--good", "old", "--bad", "main", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert git.subject(tree, result["culprit"]) == CULPRIT
    assert result["probability"] >= 0.95
    assert result["confirmations"][-1]["p_value"] <= 0.05
    out = tree.parent / "out"
    text = (out / "git-bisect.log").read_text()
    assert f"# first bad commit: [{result['culprit']}]" in text
    run(tree, "bisect", "replay", str(out / "git-bisect.log"))
    section = (out / "bisect.html").read_text()
    assert f"<title>{result['culprit'][:12]} {CULPRIT}</title>" in section
    assert section in (out / "report.html").read_text()
    assert run(tree, "status", "--porcelain") == ""


def test_resume_is_replay(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log cut in the middle of a line gives the state of its whole lines, and the same name."""
    assert bisect(tree, "--good", "old", "--bad", "main") == 0
    out = tree.parent / "out"
    path = out / "bisect.ndjson"
    whole = path.read_bytes()
    with pytest.raises(UsageError, match="--resume"):
        bisect(tree, "--good", "old", "--bad", "main")
    cut = len(whole) * 2 // 3
    path.write_bytes(whole[:cut])
    graph = git.history(tree, "old", "main")
    events = replay(path, graph, Settings())
    state = State(graph)
    for event in events:
        state.apply(event)
    assert len(events) == whole[:cut].count(b"\n") - 1
    assert command("--resume", str(out)) == 0
    assert CULPRIT in git.subject(tree, list(read(path))[-1]["culprit"])
    assert path.read_bytes().startswith(whole[: whole[:cut].rfind(b"\n") + 1])
    seeds = [record["seed"] for record in read(path) if record["ev"] == "trial"]
    assert len(seeds) == len(set(seeds)) > len(events) / 2
    with pytest.raises(LogError, match="confidence"):
        command("--resume", str(out), "--confidence", "0.9")
    with pytest.raises(UsageError, match="no bisection"):
        command("--resume", str(tree))
    with Log(path, graph, Settings()), pytest.raises(LogError, match="still runs"):
        command("--resume", str(out))


def test_no_change_and_usage(tree: Path) -> None:
    assert bisect(tree, "--good", "old", "--bad", "side~2", "--budget", "20s") in (4, 5)
    with pytest.raises(UsageError):
        bisect(tree, "--good", "old")
    with pytest.raises(UsageError, match="merge base"):
        bisect(tree, "--good", "harmless", "--bad", "side")
    with pytest.raises(UsageError, match="'odl' names no commit"):
        bisect(tree, "--good", "odl", "--bad", "main")


def test_lost_machines_end_the_search(tree: Path) -> None:
    (tree.parent / "flaky").write_text("exit 130\n")
    assert bisect(tree, "--good", "old", "--bad", "main") == 5


def test_a_list_of_packages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fix = 'case $MMRACE_COMMIT in 6.1|6.6|6.12) exit 1;; esac'
    args = ["--list", "6.1,6.6,6.12,6.18,7.2", "--find", "fix", "--run", fix, "--json"]
    assert command(*args, "--out", str(tmp_path / "one")) == 0
    assert json.loads(capsys.readouterr().out)["culprit"] == "6.18"
    # Several trials at once; the ends are those of the list.
    assert command(*args, "--out", str(tmp_path / "four"), "-n", "4") == 0
    assert json.loads(capsys.readouterr().out)["culprit"] == "6.18"
    with pytest.raises(UsageError, match="oldest"):
        command(*args, "--good", "6.1", "--bad", "7.2", "--out", str(tmp_path / "wrong"))


def test_trials_run_at_once(tmp_path: Path) -> None:
    """Each trial waits until it meets another: with one at a time none would end well."""
    meet = (f"cd {tmp_path}; touch here.$MMRACE_TRIAL; i=0; "
            "while [ $(ls here.* | wc -l) -lt 2 ]; do i=$((i+1)); [ $i -gt 300 ] && exit 255; "
            "sleep 0.01; done; case $MMRACE_COMMIT in a) exit 0;; esac; exit 1")
    args = ["--list", "a,b", "--run", meet, "--out", str(tmp_path / "out")]
    assert command(*args, "-n", "2", "--no-confirm") == 0
    trials = [record for record in read(tmp_path / "out/bisect.ndjson") if record["ev"] == "trial"]
    assert {record["kind"] for record in trials} == {"F", "P"}


def test_a_tree_and_several_trials_at_once(tree: Path) -> None:
    """A worktree holds one commit at a time, however many trials run."""
    (tree.parent / "flaky").write_text(
        'test "$(git rev-parse HEAD)" = "$MMRACE_COMMIT" || exit 255\ntest ! -e bug\n')
    assert bisect(tree, "--good", "old", "--bad", "main", "-n", "3") == 0


def test_the_commits_between_two_packages(tree: Path) -> None:
    run(tree, "tag", "v6.1", "old")
    run(tree, "checkout", "-q", "-b", "stable", "old")
    commit(tree, "stable fix")
    run(tree, "tag", "v6.1.9")
    run(tree, "tag", "v6.12", "main")
    old, main_tip = run(tree, "rev-parse", "old"), "v6.12"
    assert git.gap(tree, "6.1.9", "6.12.107") == (old, main_tip)
    assert git.gap(tree, "6.1.176", "6.12.107") == (old, main_tip)
    assert git.history(tree, *git.gap(tree, "6.1.9", "6.12")).candidates == 13
    with pytest.raises(GraphError, match="neither the tag v5.10.3 nor v5.10"):
        git.gap(tree, "5.10.3", "6.1")
    with pytest.raises(GraphError, match="no commits between"):
        git.gap(tree, "6.12.107", "6.1.176")


def test_exit_codes() -> None:
    kinds = {0: Kind.PASS, 1: Kind.FAIL, 124: Kind.FAIL, 125: Kind.OTHER, 126: Kind.FAIL,
             128: Kind.INFRA, 255: Kind.INFRA, -9: Kind.INFRA}
    assert {code: kind_of(code) for code in kinds} == kinds


def test_fisher_and_power() -> None:
    assert fisher(3, 3, 0, 3) == pytest.approx(1 / 20)
    assert fisher(0, 5, 0, 5) == 1
    assert power(0.5, 0.001, 30, 0.05) > 0.95 > power(0.05, 0.001, 30, 0.05)


def test_a_commit_that_does_not_build_keeps_its_probability(tree: Path) -> None:
    """The culprit and its child cannot be told apart when the culprit does not build."""
    build = f"test \"$(git log -1 --format=%s)\" != '{CULPRIT}'"
    assert bisect(tree, "--good", "old", "--bad", "main", "--build", build) == 3
    result = json.loads((tree.parent / "out" / "bisect.json").read_text())
    assert {git.subject(tree, name) for name in result["set"]} == {CULPRIT, "side 1"}
    assert list(result["untestable"].values())[0].startswith("the build exits with 1")

# SPDX-License-Identifier: GPL-2.0
"""`git bisect run` and our exit codes: what git itself makes of each on a real history."""

import subprocess
from pathlib import Path

import pytest

from mmrace.bisect import git
from mmrace.verdict import EXIT_CODES, Verdict

COMMITS, CULPRIT = 12, 8


@pytest.fixture(name="tree")
def make_tree(tmp_path: Path) -> Path:
    """A line of commits; the file `number` holds each one's place."""
    tree = tmp_path / "tree"
    git.git(tmp_path, "init", "--quiet", "-b", "main", str(tree))
    for number in range(COMMITS):
        (tree / "number").write_text(f"{number}\n")
        git.git(tree, "add", "number")
        git.git(tree, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm",
                f"commit {number}")
    return tree


def run(tree: Path, script: str) -> "subprocess.CompletedProcess[str]":
    git.git(tree, "bisect", "start", "main", f"main~{COMMITS - 1}")
    return subprocess.run(["git", "-C", tree, "bisect", "run", "sh", "-c", script],
                          capture_output=True, text=True, check=False)


def culprit(tree: Path) -> str:
    return git.subject(tree, "refs/bisect/bad")


@pytest.mark.parametrize("verdict", [one for one in Verdict if one.is_failure])
def test_every_failure_is_bad_and_a_pass_is_good(tree: Path, verdict: Verdict) -> None:
    done = run(tree, f"[ $(cat number) -lt {CULPRIT} ] && exit {EXIT_CODES[Verdict.PASS]}; "
                     f"exit {EXIT_CODES[verdict]}")
    assert done.returncode == 0 and culprit(tree) == f"commit {CULPRIT}", done.stdout


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.SKIP])
def test_what_cannot_tell_is_skipped(tree: Path, verdict: Verdict) -> None:
    done = run(tree, f"n=$(cat number); [ $n = 5 ] && exit {EXIT_CODES[verdict]}; "
                     f"[ $n -ge {CULPRIT} ]; exit $((1 - $?))")
    assert done.returncode == 0 and culprit(tree) == f"commit {CULPRIT}"
    assert "git bisect skip" in git.git(tree, "bisect", "log")


@pytest.mark.parametrize("verdict", [Verdict.INFRA, Verdict.ERROR])
def test_a_lost_machine_stops_it_and_blames_nobody(tree: Path, verdict: Verdict) -> None:
    done = run(tree, f"exit {EXIT_CODES[verdict]}")
    assert done.returncode != 0 and "first bad commit" not in done.stdout
    assert culprit(tree) == f"commit {COMMITS - 1}"

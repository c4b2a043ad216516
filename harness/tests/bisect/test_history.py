# SPDX-License-Identifier: GPL-2.0
"""bench/bisect_history.py on a source that holds no more than the places that its table edits."""

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from mmrace.bisect import git
from mmrace.paths import TREE

SCRIPT, TABLE = TREE / "bench/bisect_history.py", TREE / "bench/bisect-history.toml"


def places() -> dict[str, str]:
    """For each file what it must hold before the first edit."""
    first: dict[str, str] = defaultdict(str)
    now: dict[str, str] = defaultdict(str)
    for commit in tomllib.loads(TABLE.read_text())["commit"]:
        for edit in commit.get("edit", []):
            name, old = edit["file"], edit["old"]
            if old not in now[name]:
                first[name] += old
                now[name] += old
            now[name] = now[name].replace(old, edit["new"])
    return first


@pytest.fixture(name="source")
def make_source(tmp_path: Path) -> Path:
    """A directory with all places of the table."""
    source = tmp_path / "source"
    for name, text in places().items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return source


def make(source: Path, home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCRIPT, source, home], capture_output=True, text=True,
                          check=False)


def test_the_history(source: Path, tmp_path: Path) -> None:
    done = make(source, tmp_path / "one")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    home = tmp_path / "one"
    graph = git.history(home, "old", "main")
    assert set(graph.names) == {row["id"] for row in rows} and graph.candidates >= 24
    assert sum(len(row["parents"]) == 2 for row in rows) == 2
    by_what = {row["what"]: row["id"] for row in rows}
    assert set(by_what) == {"harmless", "no-build", "no-boot", "other", "culprit", "mend"}
    main = git.git(home, "rev-list", "--first-parent", "main").split()
    assert by_what["culprit"] not in main
    assert "jiffies" in git.git(home, "show", by_what["culprit"])
    tips = git.git(home, "show", "main:mm/memory.c"), git.git(home, "show", "main:mm/mincore.c")
    assert "jiffies" in tips[0] and "offset_in_page" in tips[1]
    for row in rows[1:]:
        for parent in row["parents"]:
            assert git.git(home, "diff", "--name-only", parent, row["id"])
    again = make(source, tmp_path / "two")
    assert [row["id"] for row in json.loads(again.stdout)] == [row["id"] for row in rows]


def test_a_source_that_does_not_fit_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "mm/memory.c").write_text("another version\n")
    done = make(source, tmp_path / "one")
    assert done.returncode == 2 and "mm/memory.c has 0 places" in done.stderr
    assert not (tmp_path / "one").exists()
    again = make(source, source)
    assert again.returncode == 2 and "exists" in again.stderr

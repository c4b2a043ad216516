#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Make a git history with a planted bug out of a kernel's source, to try bisections on.

The commits are the table in bench/bisect-history.toml: harmless ones, two merged branches, one that
does not build, one that does not boot, one that brings another failure, and the culprit. The source
is only read, and nothing is checked out in DIR: commits are made of blobs. Equal sources give equal
commit ids.

Prints the history as JSON: for each commit its id, subject and parents, and what a bisection meets.

usage: bench/bisect_history.py [--table FILE] SOURCE DIR
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("bisect-history.toml")
START = 1767225600
"""The base's time, seconds since 1970; each commit is a minute later."""
IDENTITY = "mmrace <mmrace@example.org>"


class HistoryError(Exception):
    """The table does not fit the source, or git failed."""


def git(home: Path, *args: str, work: Path | None = None, text: str | None = None) -> str:
    """Output of one git command on the repository in HOME."""
    names = {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER")
             for key, value in (("NAME", "mmrace"), ("EMAIL", "mmrace@example.org"),
                                ("DATE", f"{START} +0000"))}
    if work is not None:
        names["GIT_WORK_TREE"] = str(work)
    names["GIT_DIR"] = str(home / ".git")
    done = subprocess.run(["git", *args], input=text, capture_output=True, text=True, check=False,
                          cwd=work or home, env=os.environ | names)
    if done.returncode:
        raise HistoryError(f"git {args[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


class Branch:
    """A line of history: the files that differ from the source, and its edits, oldest first."""

    def __init__(self, source: Path, mark: int) -> None:
        self.source = source
        self.mark = mark
        self.files: dict[str, str] = {}
        self.edits: list[dict[str, str]] = []

    def fork(self) -> "Branch":
        """A branch that begins here."""
        new = Branch(self.source, self.mark)
        new.files = dict(self.files)
        return new

    def apply(self, subject: str, edits: list[dict[str, str]]) -> set[str]:
        """Make the edits; the files that changed."""
        for edit in edits:
            name, old = edit["file"], edit["old"]
            try:
                now = self.files.get(name) or (self.source / name).read_text()
            except OSError as error:
                raise HistoryError(f"{subject}: {error.strerror}: {error.filename}") from None
            if now.count(old) != 1:
                raise HistoryError(f"{subject}: {name} has {now.count(old)} places with {old!r}, "
                                   "not one; mend the table for this source")
            self.files[name] = now.replace(old, edit["new"])
        self.edits += edits
        return {edit["file"] for edit in edits}


def stream(commits: list[dict[str, Any]], source: Path, base: str
           ) -> tuple[str, list[dict[str, Any]]]:
    """The history for git fast-import, and its description without the ids; marks count from 1."""
    branches = {"main": Branch(source, 0)}
    lines: list[str] = []
    said = []
    for mark, commit in enumerate(commits, start=1):
        subject, name = commit["subject"], commit.get("on", "main")
        branch = branches.setdefault(name, branches["main"].fork())
        parents = [branch.mark]
        edits = commit.get("edit", [])
        if "merge" in commit:
            side = branches.pop(commit["merge"], None)
            if side is None:
                raise HistoryError(f"{subject}: there is no branch '{commit['merge']}' to merge")
            parents.append(side.mark)
            edits = side.edits
        changed = branch.apply(subject, edits)
        branch.mark = mark
        lines += [f"commit refs/heads/{name}", f"mark :{mark}",
                  f"committer {IDENTITY} {START + 60 * mark} +0000",
                  f"data {len(subject.encode())}", subject]
        words = [f":{parent}" if parent else base for parent in parents]
        lines += [f"from {words[0]}", *(f"merge {word}" for word in words[1:])]
        for path in sorted(changed):
            text = branch.files[path]
            lines += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
        said.append({"subject": subject, "what": commit.get("what", "harmless"),
                     "parents": parents})
    if len(branches) > 1:
        raise HistoryError(f"never merged: {', '.join(sorted(set(branches) - {'main'}))}")
    return "\n".join([*lines, "done", ""]), said


def make(source: Path, home: Path, table: Path) -> list[dict[str, Any]]:
    """The repository in HOME; the commits of its history, the base first."""
    with table.open("rb") as file:
        commits = tomllib.load(file)["commit"]
    stream(commits, source, "0" * 40)
    home.mkdir(parents=True)
    git(home, "init", "--quiet", "--initial-branch=main", str(home))
    git(home, "config", "core.autocrlf", "false")
    git(home, "add", "--all", "--force", ".", work=source)
    tree = git(home, "write-tree")
    base = git(home, "commit-tree", "-m", "the source as it is", tree)
    git(home, "update-ref", "refs/heads/main", base)
    text, said = stream(commits, source, base)
    marks = home / ".git/marks"
    git(home, "fast-import", "--quiet", "--done", f"--export-marks={marks}", text=text)
    ids = dict(line.lstrip(":").split() for line in marks.read_text().splitlines())
    git(home, "read-tree", "main")
    for branch in git(home, "for-each-ref", "--format=%(refname)", "refs/heads").split():
        if branch != "refs/heads/main":
            git(home, "update-ref", "-d", branch)
    git(home, "tag", "old", base)
    names = [base] + [ids[str(mark)] for mark in range(1, len(said) + 1)]
    rows = [{"id": base, "subject": "the source as it is", "what": "harmless", "parents": []}]
    for mark, row in enumerate(said, start=1):
        rows.append({"id": names[mark], **row, "parents": [names[one] for one in row["parents"]]})
    return rows


def main() -> int:
    """Make the history; exit 2 with the reason when that cannot be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, help="an unpacked kernel source of 6.9 or newer")
    parser.add_argument("home", type=Path, metavar="DIR", help="the repository, must not exist")
    parser.add_argument("--table", type=Path, default=TABLE)
    args = parser.parse_args()
    try:
        if args.home.exists():
            raise HistoryError(f"{args.home} exists; remove it or name another directory")
        rows = make(args.source.resolve(), args.home.resolve(), args.table)
    except (HistoryError, OSError, KeyError, tomllib.TOMLDecodeError) as error:
        print(f"bisect_history.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

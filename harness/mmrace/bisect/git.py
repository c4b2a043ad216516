# SPDX-License-Identifier: GPL-2.0
"""Read a history from a git tree, and speak git-bisect's own log format."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmrace.bisect.graph import Graph, GraphError


def git(tree: Path, *args: str) -> str:
    """Output of one git command; GraphError with git's own words when it fails."""
    done = subprocess.run(
        ["git", "-C", str(tree), *args], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise GraphError(f"git {args[0]}: {done.stderr.strip()}")
    return done.stdout


def check_tree(tree: Path) -> None:
    """GraphError unless the directory is in a git tree."""
    if not tree.is_dir():
        raise GraphError(f"no such directory: {tree}")
    try:
        git(tree, "rev-parse", "--git-dir")
    except GraphError as error:
        raise GraphError(f"{tree} is no git tree ({error})") from error


def resolve(tree: Path, revision: str) -> str:
    """The full commit id of a revision."""
    try:
        return git(tree, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except GraphError as error:
        raise GraphError(f"'{revision}' names no commit of {tree}; `git -C {tree} log` or `tag` "
                         "shows what there is") from error


def history(tree: Path, old: str, new: str) -> Graph:
    """All commits of old..new with their parents, merges included.

    A parent outside old..new is an ancestor of old and so on old's side: it is
    replaced by old.  An old end that is not an ancestor of new is refused,
    because then nothing says where the change between them could lie.
    """
    base, tip = resolve(tree, old), resolve(tree, new)
    if base == tip:
        raise GraphError("both ends are the same commit")
    fork = git(tree, "merge-base", base, tip).strip()
    if fork != base:
        raise GraphError(
            f"{old} is not an ancestor of {new}; test their merge base {fork[:12]} and use it"
        )
    text = git(tree, "rev-list", "--parents", "--topo-order", "--reverse", f"{base}..{tip}")
    names, parents = [base], [()]  # type: tuple[list[str], list[tuple[int, ...]]]
    index = {base: 0}
    for line in text.splitlines():
        commit, *above = line.split()
        known = sorted({index.get(parent, 0) for parent in above})
        index[commit] = len(names)
        names.append(commit)
        parents.append(tuple(known or [0]))
    return Graph(names, parents)


def gap(tree: Path, before: str, after: str) -> tuple[str, str]:
    """The commits between two upstream versions, as (old, new) revisions.

    A version is its tag, or the tag of its series when the tree has no stable releases. Stable
    series branch off, so the old one is where the two histories part.
    """
    ends = [_tag(tree, version) for version in (before, after)]
    fork = git(tree, "merge-base", *ends).strip()
    if fork == resolve(tree, ends[1]):
        raise GraphError(f"{tree} has no commits between {before} and {after}: {ends[1]} is in "
                         f"{ends[0]}")
    return fork, ends[1]


def _tag(tree: Path, version: str) -> str:
    series = ".".join(version.split(".")[:2])
    for name in (f"v{version}", f"v{series}"):
        if git(tree, "tag", "--list", name).strip():
            return name
    raise GraphError(f"{tree} has neither the tag v{version} nor v{series}; fetch its tags")


def touched(tree: Path, old: str, new: str, paths: Sequence[str]) -> set[str]:
    """The commits of old..new that change one of `paths`."""
    text = git(tree, "rev-list", "--full-history", f"{old}..{new}", "--", *paths)
    return set(text.split())


def subject(tree: Path, commit: str) -> str:
    """A commit's one-line subject."""
    return git(tree, "show", "--no-patch", "--format=%s", commit).strip()


def bisect_log(
    old: str,
    new: str,
    marks: Iterable[tuple[str, str]],
    named: str | None,
    terms: tuple[str, str] = ("good", "bad"),
) -> str:
    """What `git bisect replay` reads: `marks` are (commit, term or "skip") pairs."""
    before, after = terms
    start = "git bisect start"
    if terms != ("good", "bad"):
        start += f" '--term-old={before}' '--term-new={after}'"
    lines = [start, f"# {after}: [{new}]", f"git bisect {after} {new}"]
    lines += [f"# {before}: [{old}]", f"git bisect {before} {old}"]
    for commit, term in marks:
        if commit not in (old, new):
            lines += [f"# {term}: [{commit}]", f"git bisect {term} {commit}"]
    if named:
        lines.append(f"# first {after} commit: [{named}]")
    return "\n".join(lines) + "\n"

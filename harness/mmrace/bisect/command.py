# SPDX-License-Identifier: GPL-2.0
"""A runner for any command: exit codes as `git bisect run` knows them, plus infra.

0 is a pass, 125 "cannot tell", 128 and above (also death by a signal) a lost
machine, everything else the failure.  The command runs in its own worktree, the
user's checkout is never touched; MMRACE_COMMIT holds the commit or package.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from mmrace.bisect.git import git
from mmrace.bisect.settings import Built, Kind, Outcome

CANNOT_TELL = 125
INFRA = 128


def kind_of(code: int) -> Kind:
    """What an exit code says; negative codes are signals, as in `subprocess`."""
    if code == 0:
        return Kind.PASS
    if code == CANNOT_TELL:
        return Kind.OTHER
    return Kind.INFRA if code < 0 or code >= INFRA else Kind.FAIL


@dataclass
class CommandRunner:
    """Runs `build` once for each change of commit and `run` for each trial, through a shell.

    With a `tree`, the commit is checked out in `worktree` first.  `timeout` (seconds)
    turns a command that hangs into a lost machine.  `builds_are_kept` promises that
    `build` stores its result under MMRACE_COMMIT, so that no rebuild is needed. `first` is the
    number of the first trial (MMRACE_TRIAL), so that a seed made of it is never used twice.
    """

    run: str
    tree: Path | None = None
    worktree: Path | None = None
    build_command: str | None = None
    timeout: float | None = None
    builds_are_kept: bool = False
    first: int = 0
    _current: str | None = None

    def __post_init__(self) -> None:
        self._numbers = itertools.count(self.first)
        self._lock = threading.Lock()

    @property
    def keeps_builds(self) -> bool:
        """Whether a commit built earlier can be tried again without a build."""
        return self.builds_are_kept or self.build_command is None

    @property
    def mixes(self) -> bool:
        """A worktree holds one commit at a time."""
        return self.tree is None

    def build(self, commit: str) -> Built:
        """Check the commit out and build it; any exit code but 0 means "skip it"."""
        start = time.monotonic()
        self._checkout(commit)
        if self.build_command is None:
            return Built(True, time.monotonic() - start)
        code, text = self._shell(self.build_command, {"MMRACE_COMMIT": commit})
        detail = "" if code == 0 else f"the build exits with {code}: {text}"
        return Built(code == 0, time.monotonic() - start, None, detail)

    def trial(self, commit: str) -> Outcome:
        """Run the command once."""
        start = time.monotonic()
        with self._lock:
            self._checkout(commit)
            number = next(self._numbers)
        code, text = self._shell(self.run, {"MMRACE_COMMIT": commit, "MMRACE_TRIAL": str(number)})
        kind = kind_of(code)
        exposure = 0.0 if kind is Kind.OTHER else 1.0
        detail = "" if kind is Kind.PASS else f"exit {code}: {text}"
        return Outcome(kind, time.monotonic() - start, exposure, detail, seed=number)

    def _checkout(self, commit: str) -> None:
        if self.tree is None or self.worktree is None or self._current == commit:
            return
        if self.worktree.exists():
            git(self.worktree, "checkout", "--quiet", "--force", "--detach", commit)
        else:
            self.worktree.parent.mkdir(parents=True, exist_ok=True)
            git(self.tree, "worktree", "prune")
            git(self.tree, "worktree", "add", "--quiet", "--force", "--detach",
                str(self.worktree.resolve()), commit)
        self._current = commit

    def _shell(self, command: str, names: dict[str, str]) -> tuple[int, str]:
        """Exit code (negative: signal) and the last line of the output."""
        try:
            done = subprocess.run(
                command,
                shell=True,
                cwd=self.worktree if self.tree else None,
                env=os.environ | names,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return -1, f"no end within {self.timeout:g} s"
        text = done.stdout.decode(errors="replace").strip().splitlines()
        return done.returncode, text[-1][:200] if text else ""

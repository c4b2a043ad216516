# SPDX-License-Identifier: GPL-2.0
"""Where the world plugs in: something that builds commits and tries them."""

from __future__ import annotations

from typing import Protocol

from mmrace.bisect.settings import Built, Outcome


class Runner(Protocol):
    """Builds and tries commits (or packages), named as in the graph.

    `trial` is called from several threads at once when the settings ask for parallel trials.
    """

    @property
    def keeps_builds(self) -> bool:
        """Whether a commit built earlier can be tried again without a build."""

    @property
    def mixes(self) -> bool:
        """Whether trials of different commits can run at once."""

    def build(self, commit: str) -> Built:
        """Make `commit` ready to be tried.  `ok=False`: it cannot be, skip it."""

    def trial(self, commit: str) -> Outcome:
        """One trial, which is one fresh boot, of a commit built before."""

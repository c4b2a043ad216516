# SPDX-License-Identifier: GPL-2.0
"""Where the world plugs in: something that builds commits and tries them."""

from __future__ import annotations

from typing import Protocol

from mmrace.bisect.settings import Built, Outcome


class Runner(Protocol):
    """Builds and tries commits (or packages), named as in the graph."""

    def build(self, commit: str) -> Built:
        """Make `commit` ready to be tried.  `ok=False`: it cannot be, skip it."""

    def trial(self, commit: str) -> Outcome:
        """One trial, which is one fresh boot, of a commit built before."""

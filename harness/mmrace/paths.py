# SPDX-License-Identifier: GPL-2.0
"""Where things are: the tree, the cache that survives it, and the run directories."""

import os
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
CONFIGS = TREE / "configs"
BUILD = TREE / "build"


def cache_dir() -> Path:
    """Downloads, kernels and build roots; MMRACE_CACHE overrides the XDG place."""
    override = os.environ.get("MMRACE_CACHE")
    if override:
        return Path(override)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "mmrace"


def runs_dir() -> Path:
    """Run directories, one a command; MMRACE_RUNS overrides the tree's own."""
    return Path(os.environ.get("MMRACE_RUNS") or TREE / "runs")

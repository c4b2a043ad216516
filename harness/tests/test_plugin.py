# SPDX-License-Identifier: GPL-2.0
"""The cells of a matrix are collected as tests, by name and keyword, without a boot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmrace.commands.matrix import cells_of
from mmrace.paths import CONFIGS, TREE


def collect(*words: str) -> subprocess.CompletedProcess[str]:
    """Collect the first matrix in a pytest of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "mmrace.pytest_plugin", "--collect-only", "-q",
         "-p", "no:cacheprovider", *words], cwd=TREE, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(TREE / "harness")})


def test_every_cell_is_a_test() -> None:
    done = collect("configs/matrix/first.toml")
    for cell in cells_of(CONFIGS / "matrix/first.toml", 1):
        assert f"first.toml::{cell.name}" in done.stdout


def test_keywords_select() -> None:
    done = collect("configs/matrix/first.toml", "-k", "control and x86_64")
    assert "lost-write.control" in done.stdout and "lost-write.natural" not in done.stdout


@pytest.mark.parametrize("path", sorted((CONFIGS / "matrix").glob("*.toml")), ids=str)
def test_every_shipped_matrix_is_sound(path: Path) -> None:
    cells = cells_of(path, 1)
    names = [cell.name for cell in cells]
    assert cells and len(set(names)) == len(names)

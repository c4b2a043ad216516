# SPDX-License-Identifier: GPL-2.0
"""An emulator that was not built makes a SKIP that names the mend; its one change is exact."""

from pathlib import Path

import pytest
from rich.console import Console

from mmrace import config, emulator, emulator_build, session
from mmrace.cell import Cell
from mmrace.errors import BuildError, MissingError, UsageError
from mmrace.progress import Progress
from mmrace.store import Run

RECIPE = emulator_build.recipe("s390x-edat")


def test_a_missing_emulator_is_a_skip_that_names_the_mend(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMRACE_CACHE", str(tmp_path / "cache"))

    def no_boot(*_: object) -> None:
        emulator.command(config.arch("s390x"), "s390x-edat")

    monkeypatch.setattr(session, "open_boot", no_boot)
    cell = Cell("debian:trixie", "s390x", "thp-split-gup", "widened", 1, 1, variant="s390x-edat")
    run = Run.create(["test"], tmp_path)
    [record] = session.Session(run, Progress(Console(quiet=True))).cells([cell])
    assert record["verdict"] == "SKIP"
    assert "EDAT" in record["reason"] and "make emulator NAME=s390x-edat" in record["reason"]
    with pytest.raises(MissingError):
        emulator.command(config.arch("s390x"), "s390x-edat")


def test_every_variant_names_an_emulator_that_there_is() -> None:
    for variant in config.variants().values():
        if variant.emulator:
            assert emulator_build.recipe(variant.emulator).arch in variant.arches
    with pytest.raises(UsageError, match="s390x-edat"):
        emulator_build.recipe("vax")


@pytest.mark.parametrize("before, says", [
    ("int x;\n", "0 times"),
    (f"{RECIPE.after}\n    A,\n}};\n{RECIPE.after}\n}};\n", "2 times"),
    (f"{RECIPE.after}\n{RECIPE.insert}\n}};\n", "by itself"),
])
def test_a_source_that_has_changed_is_not_changed_blindly(tmp_path: Path, before: str,
                                                          says: str) -> None:
    path = tmp_path / RECIPE.file
    path.parent.mkdir(parents=True)
    path.write_text(before)
    with pytest.raises(BuildError, match=says):
        emulator_build.change(RECIPE, tmp_path)
    assert path.read_text() == before


def test_the_change_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / RECIPE.file
    path.parent.mkdir(parents=True)
    path.write_text(f"{RECIPE.insert}\n{RECIPE.after}\n    A,\n}};\n")
    emulator_build.change(RECIPE, tmp_path)
    assert path.read_text() == (f"{RECIPE.insert}\n{RECIPE.after}\n{RECIPE.insert}\n    A,\n}};\n")

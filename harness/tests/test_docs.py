# SPDX-License-Identifier: GPL-2.0
"""What README, docs/ and --help tell users to type and where they send them: it exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmrace.cli import load_commands, make_parser
from mmrace.commands import common
from mmrace.commands.matrix import cells_of
from mmrace.paths import TREE

PAGES = [TREE / "README.md", *sorted((TREE / "docs").rglob("*.md"))]
MODULES = load_commands()
FILES = re.compile(r"`((?:bench|ci|configs|docs|harness|include|module|stress)/[\w./-]*\w)`")

PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")


def texts() -> Iterator[tuple[str, str]]:
    """Every page and every command's examples, by name."""
    for page in PAGES:
        yield page.name, page.read_text()
    for name, module in MODULES.items():
        yield f"{name} --help", module.EPILOG


def commands() -> Iterator[tuple[str, str]]:
    """Every line that begins with ./mmrace, with the page that has it."""
    for name, text in texts():
        for line in re.findall(r"^ {2,}(\./mmrace .*)$", text.replace("\\\n", ""), re.MULTILINE):
            yield name, re.sub(r"\[(--[\w-]+)\]", r"\1", line)


@pytest.mark.parametrize("page, line", commands())
def test_a_command_is_one(page: str, line: str) -> None:
    args = make_parser(MODULES).parse_args(shlex.split(line, comments=True)[1:])
    races = getattr(args, "race", None) or []
    for race in [races] if isinstance(races, str) else races:
        common.check_race(race)
        common.check_options(race, common.parse_options(getattr(args, "option", [])))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [name for name in FILES.findall(text)
                if not PLACEHOLDER.search(name) and not (TREE / name).exists()]
    targets = re.findall(r"^([a-z-]+):", (TREE / "Makefile").read_text(), re.MULTILINE)
    missing += [f"make {name}" for name in re.findall(r"(?:^ {4}|`)make ([a-z][a-z-]*)", text,
                                                      re.MULTILINE) if name not in targets]
    assert not missing


def test_the_example_of_a_matrix_is_one(tmp_path: Path) -> None:
    page = (TREE / "docs/matrices.md").read_text()
    example = "\n".join(re.findall(r"^ {4}(.*)$", page, re.MULTILINE))
    (tmp_path / "mine.toml").write_text(example)
    assert {cell.mode for cell in cells_of(tmp_path / "mine.toml", 1)} == {"control", "widened"}


def test_every_page_is_in_its_index() -> None:
    for page in PAGES[1:]:
        index = TREE / "README.md" if page.parent.name == "docs" else page.parent.with_suffix(".md")
        assert f"({page.relative_to(index.parent)})" in index.read_text()

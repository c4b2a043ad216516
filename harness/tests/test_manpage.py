# SPDX-License-Identifier: GPL-2.0
"""The manual page: clean roff, and nothing of the command line is missing."""

import re
import subprocess
from pathlib import Path

from mmrace import cli
from mmrace.manpage import ENVIRONMENT, page
from mmrace.paths import TREE


def lint(text: str) -> subprocess.CompletedProcess[str]:
    """What mandoc has to say against a page."""
    return subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=text, text=True,
                          capture_output=True, check=False)


def test_the_page_is_clean_roff() -> None:
    said = lint(page())
    assert said.returncode == 0, said.stdout + said.stderr
    assert lint(page().replace(".SH NAME", ".SHH NAME", 1)).returncode != 0


def test_make_writes_it_and_man_shows_it(tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "-C", str(TREE), "man"], check=True)
    shown = subprocess.run(["mandoc", "-T", "ascii", str(TREE / "build/mmrace.1")], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    plain = re.sub(".\b", "", shown)
    for command in cli.COMMANDS:
        assert f"./mmrace {command}" in plain
    assert "EXIT STATUS" in plain and "INCONCLUSIVE, SKIP" in plain


def test_every_option_and_variable_is_in_it() -> None:
    text = page().replace("\\-", "-")
    for command, module in cli.load_commands().items():
        said = subprocess.run([str(TREE / "mmrace"), command, "--help"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        part = text[text.index(f".SS {command}\n"):]
        for option in set(re.findall(r"^ {2}(?:-\w, )?(--[\w-]+)", said, re.M)) - {"--help"}:
            assert rf"\fB{option}\fR" in part.partition("\n.SS ")[0], f"{command} {option}"
        assert module.HELP.split()[0] in part
    sources = "".join(path.read_text() for path in (TREE / "harness/mmrace").rglob("*.py"))
    used = set(re.findall(r'environ(?:\.get\(|\[)"(MMRACE_\w+)"', sources))
    assert used and used == set(ENVIRONMENT)

# SPDX-License-Identifier: GPL-2.0
"""Bad input: exit code 2, the thing named, the mend named, nothing fetched or booted."""

import shlex
import subprocess
from pathlib import Path

import pytest

from mmrace.cell import Cell
from mmrace.cli import COMMANDS
from mmrace.commands import replay, run
from mmrace.paths import TREE


def mmrace(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ./mmrace with an empty PATH of tools it must not need yet."""
    return subprocess.run([str(TREE / "mmrace"), *words], capture_output=True, text=True,
                          check=False, env={"PATH": "/usr/bin:/bin", "HOME": "/root", **env})


RUN = ("run", "--kernel", "debian:bookworm", "--arch", "x86_64", "--race", "lost-write")


@pytest.mark.parametrize("words, says", [
    (("run", "--kernel", "debian:bookworm", "--race", "lost-wrote"), "did you mean 'lost-write'"),
    (("run", "--kernel", "debian:potato", "--race", "lost-write"), "unknown Debian suite 'potato'"),
    (("run", "--kernel", "vanilla", "--race", "lost-write"), "debian:SUITE"),
    (("run", "--race", "lost-write"), "--kernel is missing"),
    (("run", "--kernel", "debian:bookworm", "--arch", "vax", "--race", "lost-write"), "s390x"),
    (("run", "--kernel", "debian:bullseye", "--arch", "s390x", "--race", "lost-write"), "x86_64"),
    ((*RUN, "--machine", "mainframe"), "ppc64-hash"),
    ((*RUN, "--machine", "ppc64-hash"), "does not exist for x86_64"),
    ((*RUN, "--duration", "-1"), "must be above 0"),
    ((*RUN, "--option", "zap"), "KEY=VALUE"),
    ((*RUN, "--option", "zip=munmap"), "has no option 'zip'; it has: zap, clean, pages"),
    ((*RUN, "--option", "zap=unmap"), "one of munmap, "),
    ((*RUN, "--option", "pages=-1"), "a whole number, not '-1'"),
    (("bisect", "--tree", "/nowhere", "--good", "a", "--bad", "b", "--race", "lost-write"),
     "no such directory: /nowhere"),
    (("run", "--on", "ssh:nobody", "--race", "lost-write"), "unknown host 'nobody'"),
    (("run", "--on", "lathe", "--race", "lost-write"), "unknown machine 'lathe'"),
    (("run", "--on", "local", "--race", "lost-write", "--mode", "control"), "--allow-plants"),
    (("matrix", "nothing"), "configs/matrix/ has: "),
    (("export", "lava", "nothing", "--output", "/nowhere"), "configs/matrix/ has: "),
    (("export", "lava", "quick"), "--output"),
    (("export", "lava", "quick", "--output", "/nowhere", "--url", "here"), "--url takes an URL"),
    (("export", "kirk", "quick", "--output", "/nowhere"), "labgrid"),
    (("frobnicate",), "invalid choice"),
])
def test_usage_errors_name_thing_and_mend(words: tuple[str, ...], says: str,
                                          tmp_path: Path) -> None:
    done = mmrace(*words, MMRACE_RUNS=str(tmp_path / "runs"), MMRACE_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete(command: str) -> None:
    done = mmrace(command, "--help")
    assert done.returncode == 0 and f"usage: mmrace {command}" in done.stdout
    assert "exit codes: 0 " in done.stdout
    assert f"  ./mmrace {command}" in done.stdout.partition("example")[2]


def test_an_archive_that_cannot_be_reached_is_infrastructure(tmp_path: Path) -> None:
    done = mmrace(*RUN, MMRACE_RUNS=str(tmp_path / "runs"), MMRACE_CACHE=str(tmp_path / "cache"),
                  MMRACE_DEBIAN_ARCHIVE="http://127.0.0.1:9/debian")
    assert done.returncode == 128
    assert "Debian archive" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_shell_completes_commands(tmp_path: Path) -> None:
    line = "./mmrace mat"
    said = tmp_path / "said"
    with said.open("w") as answer:
        subprocess.run(["/bin/sh", "-c", 'exec 8>&1 9>&2; exec "$0"', str(TREE / "mmrace")],
                       stdout=answer, stderr=subprocess.DEVNULL, check=False, env={
                           "PATH": "/usr/bin:/bin", "_ARGCOMPLETE": "1", "COMP_TYPE": "9",
                           "COMP_LINE": line, "COMP_POINT": str(len(line))})
    assert said.read_text().split() == ["matrix"]


@pytest.mark.parametrize("cell", [
    Cell("debian:trixie", "ppc64le", "lost-write", "widened", 2.5, 7, variant="ppc64-hash",
         options=(("zap", "munmap"), ("pages", "4")), checkers=True),
    Cell("running", "x86_64", "stale-translation", "control", 1, 8, on="local"),
])
def test_a_replay_line_makes_the_same_cell(cell: Cell) -> None:
    options = replay.parse(shlex.split(cell.replay()))
    assert run.cells_of(options) == [cell]

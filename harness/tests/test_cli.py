# SPDX-License-Identifier: GPL-2.0
"""Bad input: exit code 2, the thing named, the mend named, nothing fetched or booted."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from mmrace.build import described
from mmrace.cell import Cell
from mmrace.cli import COMMANDS
from mmrace.commands import replay, run
from mmrace.commands.matrix import cells_of
from mmrace.config import arch_names, debian_kernels
from mmrace.errors import UsageError
from mmrace.hosts import hosts
from mmrace.paths import TREE


def mmrace(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ./mmrace with an empty PATH of tools it must not need yet."""
    return subprocess.run([str(TREE / "mmrace"), *words], capture_output=True, text=True,
                          check=False, env={"PATH": "/usr/bin:/bin", "HOME": "/root", **env})


RUN = ("run", "--kernel", "debian:bookworm", "--arch", "x86_64", "--race", "lost-write")
LOCAL = ("run", "--on", "local", "--race", "lost-write")
BISECT = ("bisect", "--race", "lost-write")
OTHER_ARCH = next(name for name in arch_names() if name != os.uname().machine)


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
    ((*RUN, "--duration", "nan"), "must be above 0"),
    ((*RUN, "--duration", "inf"), "must be above 0"),
    ((*RUN, "--seed", "-1"), "must be from 0 to"),
    ((*RUN, "--seed", str(1 << 64)), "must be from 0 to"),
    ((*RUN, "--option", "pages=1", "--option", "pages=2"), "given once"),
    ((*RUN, "--option", "zap"), "KEY=VALUE"),
    ((*RUN, "--option", "zip=munmap"), "has no option 'zip'; it has: zap, clean, pages"),
    ((*RUN, "--option", "zap=unmap"), "one of munmap, "),
    ((*RUN, "--option", "pages=-1"), "a whole number, not '-1'"),
    (("bisect", "--tree", "/nowhere", "--good", "a", "--bad", "b", "--race", "lost-write"),
     "no such directory: /nowhere"),
    (("build",), "one of --kernel, --all and --emulator"),
    (("build", "--sparse", "--arch", "x86_64"), "one of --kernel, --all and --emulator"),
    (("build", "--all", "--arch", "x86_64"), "--arch is for --kernel"),
    (("export", "lava", "quick", "--output", "/proc/mmrace"), "cannot be made"),
    (("bisect", "--tree", "/", "--good", "a", "--bad", "b", "--run", "true"), "/ is no git tree"),
    ((*BISECT, "--kernels", "debian:sid"), "name two or more"),
    ((*BISECT, "--kernels", "debian:sid,debian:sid"), "each once"),
    ((*BISECT, "--kernels", "debian:trixie,debian:sid", "--build", "make"), "--build is for --run"),
    (("bisect", "--list", "a,b", "--run", "true", "--mode", "widened"), "--mode is for --race"),
    (("bisect", "--list", "a,b", "--run", "true", "--out", "/proc/mmrace"), "cannot be written"),
    (("run", "--mode", "natural", "--mode", "widened"), "--mode: it has one value, and is given"),
    (("bisect", "--calibrate", "--race", "lost-write"), "leave out what else is given (race)"),
    (("bisect", "--list", "a,b", "--run", "true", "--trials", "7"), "--trials is how many"),
    (("run", "--on", "ssh:nobody", "--race", "lost-write"), "unknown host 'nobody'"),
    (("run", "--on", "lathe", "--race", "lost-write"), "unknown machine 'lathe'"),
    ((*LOCAL, "--mode", "control"), "--allow-plants"),
    ((*LOCAL, "--kernel", "debian:sid"), "leave --kernel out"),
    ((*LOCAL, "--arch", "not-this"), "unknown architecture 'not-this'"),
    ((*LOCAL, "--arch", OTHER_ARCH), "leave --arch out"),
    ((*LOCAL, "--machine", "numa"), "leave --machine out"),
    ((*LOCAL, "--vmcore", "elf"), "leave --vmcore out"),
    ((*LOCAL, "--no-module"), "rmmod mmrace"),
    (("run", "--kernel", "debian:sid", "--no-module", "--mode", "control"), "--mode control is"),
    (("run", "--kernel", "debian:sid", "--no-module", "--checkers"), "--checkers is the module's"),
    (("matrix", "nothing"), "configs/matrix/ has: "),
    (("matrix", "--resume", "/nowhere", "--seed", "1"), "no run '/nowhere'"),
    (("list", "races", "--kernel", "debian:sid"), "leave --kernel out"),
    (("replay",), "a replay line begins with"),
    (("replay", "./mmrace run --race 'lost"), "cut off (No closing quotation)"),
    (("replay", "./mmrace", "run", "--race", "lost-write", "--times", "2"), "--kernel is missing"),
    (("replay", "./mmrace run --race lost-write", "--times", "0"), "must be above 0"),
    (("replay", "--times", "2", "./mmrace", "matrix", "quick"), "a replay line begins with"),
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


@pytest.mark.parametrize("content, says", [
    ('[db7]\nssh = "x"\narch = "vax"', "db7: 'arch' must be one of"),
    ('[db7]\nssh = "x"\narch = "s390x"\nmodlue = "none"', "did you mean 'module'?"),
    ('[db7]\narch = "s390x"', "db7: 'ssh' is missing"),
    ('ssh = "x"', "ssh: it must be a table"),
])
def test_a_wrong_host_is_refused_by_name(content: str, says: str, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts.toml").write_text(content)
    monkeypatch.setenv("MMRACE_HOSTS", str(tmp_path / "hosts.toml"))
    with pytest.raises(UsageError, match=re.escape(says)):
        hosts()


def test_a_list_for_people_cuts_nothing_off(tmp_path: Path) -> None:
    narrow = {"COLUMNS": "30", "MMRACE_RUNS": str(tmp_path)}
    races = mmrace("list", "races", **narrow).stdout.splitlines()
    for name, race in described().items():
        assert f"{name}: {race['summary']}" in races
        for option in race["options"]:
            assert any(line.startswith(f"    --option {option['name']}=") for line in races)
    kernels = mmrace("list", "kernels", **narrow).stdout.splitlines()
    assert len(kernels) == 1 + len(debian_kernels()) and kernels[0].split() == ["id", "arches"]
    assert mmrace("list", "runs", **narrow).stdout == "no runs\n"


def test_an_archive_that_cannot_be_reached_is_infrastructure(tmp_path: Path) -> None:
    done = mmrace(*RUN, MMRACE_RUNS=str(tmp_path / "runs"), MMRACE_CACHE=str(tmp_path / "cache"),
                  MMRACE_DEBIAN_ARCHIVE="http://127.0.0.1:9/debian")
    assert done.returncode == 128
    assert "Debian archive" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_sees_directories_that_cannot_be_written() -> None:
    done = mmrace("doctor", MMRACE_RUNS="/dev/null/runs", MMRACE_CACHE="/dev/null/cache")
    assert done.returncode == 128 and "Traceback" not in done.stderr
    for line in ("cache /dev/null/cache: no directory that can be written; set MMRACE_CACHE",
                 "run directories /dev/null/runs: no directory that can be written; set "
                 "MMRACE_RUNS"):
        assert line in done.stdout


def test_a_shell_completes_commands(tmp_path: Path) -> None:
    line = "./mmrace mat"
    said = tmp_path / "said"
    with said.open("w") as answer:
        subprocess.run(["/bin/sh", "-c", 'exec 8>&1 9>&2; exec "$0"', str(TREE / "mmrace")],
                       stdout=answer, stderr=subprocess.DEVNULL, check=False, env={
                           "PATH": "/usr/bin:/bin", "_ARGCOMPLETE": "1", "COMP_TYPE": "9",
                           "COMP_LINE": line, "COMP_POINT": str(len(line))})
    assert said.read_text().split() == ["matrix"]


GROUP: dict[str, str | None] = {
    "kernels": '["debian:sid"]', "arches": '["x86_64"]', "races": '["lost-write"]',
    "modes": '["natural"]', "duration": "{ natural = 1 }"}


@pytest.mark.parametrize("changed, says", [
    ({"races": None}, "'races' is missing; it must be a list"),
    ({"races": None, "racse": "[]"}, "'races' is missing"),
    ({"checker": "true"}, "'checker' means nothing here; did you mean 'checkers'?"),
    ({"kernels": '"debian:sid"'}, "'kernels' must be a list, it is 'debian:sid'"),
    ({"kernels": "[1]"}, "'kernels' must be a list of texts, it has 1"),
    ({"kernels": "[]"}, "there is no cell in it"),
    ({"kernels": '["debian:potato"]'}, "unknown Debian suite 'potato'"),
    ({"kernels": '["debian:bullseye"]', "arches": '["s390x"]'}, "there is no cell in it"),
    ({"arches": '["vax"]'}, "unknown architecture 'vax'"),
    ({"variants": '["mainframe"]'}, "unknown machine variant 'mainframe'"),
    ({"races": None, "themes": '["lost-wrote"]'}, "no race has the theme 'lost-wrote'"),
    ({"themes": '["lost-write"]'}, "'races' or 'themes', not both"),
    ({"modes": '["wide"]', "duration": "{ wide = 1 }"}, "unknown mode 'wide'"),
    ({"modes": "[]"}, "there is no cell in it"),
    ({"duration": "{ natural = nan }"}, "'natural' must be seconds above 0, it is nan"),
    ({"duration": "{ natural = true }"}, "'natural' must be seconds above 0, it is True"),
    ({"duration": "{ widened = 1 }"}, "'natural' must be seconds above 0, it is None"),
    ({"duration": "5"}, "'duration' must be a table, it is 5"),
    ({"on": '["local"]'}, "means nothing here"),
    ({"on": '["label:none"]', "kernels": None, "arches": None}, "no host is 'label:none'"),
    ({"kernels": '["debian:sid", "debian:sid"]'}, "must be there once"),
])
def test_a_wrong_matrix_is_refused_by_name(changed: dict[str, str | None], says: str,
                                           tmp_path: Path) -> None:
    matrix = tmp_path / "mine.toml"
    matrix.write_text("[[cells]]\n" + "".join(
        f"{key} = {value}\n" for key, value in (GROUP | changed).items() if value is not None))
    with pytest.raises(UsageError) as error:
        cells_of(matrix, 1)
    assert says in str(error.value) and str(matrix) in str(error.value)


@pytest.mark.parametrize("content, says", [
    (b"", "no [[cells]]"), (b"cells = 3", "'cells' must be a list"),
    (b"cells = [1]", "cells 1: it must be a table"), (b"\xff\xfe", "not valid TOML"),
    (b"[[cell]]", "'cell' means nothing here; did you mean 'cells'?"),
])
def test_what_is_no_matrix_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(says)):
        cells_of(tmp_path / "mine.toml", 1)


@pytest.mark.parametrize("cell", [
    Cell("debian:trixie", "ppc64le", "lost-write", "widened", 2.5, 7, variant="ppc64-hash",
         options=(("zap", "munmap"), ("pages", "4")), checkers=True),
    Cell("running", "x86_64", "stale-translation", "control", 1, 8, on="local"),
    Cell("debian:sid", "s390x", "lost-write", "natural", 1, 8, module=False),
])
def test_a_replay_line_makes_the_same_cell(cell: Cell) -> None:
    line = cell.replay("/mnt/a directory")
    for words in ([line], shlex.split(line), [line, "--times", "3"]):
        options = replay.parse(words)
        assert run.cells_of(options) == [cell]
        assert options.dir == "/mnt/a directory"
        assert options.times == (3 if "--times" in words else 1)

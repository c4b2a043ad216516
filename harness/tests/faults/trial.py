# SPDX-License-Identifier: GPL-2.0
"""One trial: a small matrix, one part of it killed at a random moment, and what must hold then.

What must hold: nothing that was observed is lost, nothing is left running, the matrix goes on
without what was killed, and --resume completes it without running anything again that stands.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmrace.paths import TREE
from mmrace.report import runs

WAYS = ("mprotect", "munmap", "mremap")
GROUP = """
[[cells]]
{place}
races = ["stale-translation"]
modes = ["natural"]
duration = {{ natural = 0.5 }}
options = ["change={way}"]
"""
PLACES = {
    "local": 'on = ["local"]',
    "guest": 'kernels = ["debian:bookworm"]\narches = ["x86_64"]\nvariants = ["two-cpus"]',
}
DISK_MIB = 16
# A run that does not end within this, in seconds, hangs.
RUN_LIMIT_S = 400


@dataclass
class Matrix:
    """A matrix under way, with its run directory on a file system of its own."""

    base: Path
    place: str
    process: subprocess.Popen[str] = field(init=False)

    def start(self, *words: str) -> None:
        """Start ./mmrace matrix."""
        with (self.base / "out").open("w") as out, (self.base / "err").open("w") as err:
            self.process = subprocess.Popen(
                [str(TREE / "mmrace"), "matrix", "--json", *words], stdout=out, stderr=err,
                text=True, env={**os.environ, "MMRACE_RUNS": str(self.runs)})

    @property
    def runs(self) -> Path:
        """Where the run directories are."""
        return self.base / "runs"

    @property
    def home(self) -> Path | None:
        """The run directory, once it is there and can be resumed."""
        return next((path.parent for path in self.runs.glob("*/matrix.json")), None)

    def said(self) -> tuple[list[dict[str, Any]], str]:
        """The records that it printed, and its other words."""
        lines = (self.base / "out").read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines], (self.base / "err").read_text()

    def children(self, name: str) -> list[int]:
        """Living processes below it whose command has that name in it."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            for listing in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    below = [int(word) for word in listing.read_text().split()]
                    found += [child for child in below if name in
                              Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")]
                except OSError:
                    continue    # it ended meanwhile
                todo += below
        return found


def monitor(matrix: Matrix, command: str) -> bool:
    """Give a running QEMU a monitor command; False when none listens."""
    for listing in sorted(matrix.runs.glob("*/boots/*/qemu.cmd")):
        path = re.search(r"-qmp unix:([^,]+),", listing.read_text())
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(5)
                link.connect(path.group(1) if path else "")
                with link.makefile("rw") as stream:
                    stream.readline()
                    for step in ({"execute": "qmp_capabilities"},
                                 {"execute": "human-monitor-command",
                                  "arguments": {"command-line": command}}):
                        stream.write(json.dumps(step) + "\n")
                        stream.flush()
                        stream.readline()
                    return True
        except OSError:
            continue
    return False


def _kill(matrix: Matrix, name: str) -> bool:
    hit = False
    for pid in matrix.children(name):
        try:
            os.kill(pid, signal.SIGKILL)
            hit = True
        except ProcessLookupError:
            continue
    return hit


def _kill_harness(matrix: Matrix) -> bool:
    if matrix.process.poll() is not None:
        return False
    matrix.process.kill()
    return True


def _fill_disk(matrix: Matrix) -> bool:
    with (matrix.base / "runs" / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass    # full, as it shall be
    return matrix.process.poll() is None


FAULTS: dict[str, dict[str, Callable[[Matrix], bool]]] = {
    "local": {
        "harness": _kill_harness,
        "agent": lambda matrix: _kill(matrix, "mmrace-agent"),
        "race": lambda matrix: _kill(matrix, "--report-fd"),
        "disk": _fill_disk,
    },
    "guest": {
        "harness": _kill_harness,
        "emulator": lambda matrix: _kill(matrix, "qemu-system"),
        "kernel": lambda matrix: monitor(matrix, "sendkey alt-sysrq-c"),
        "race": lambda matrix: monitor(matrix, "sendkey alt-sysrq-i"),
        "disk": _fill_disk,
    },
}


@contextmanager
def small_disk(base: Path) -> Iterator[None]:
    """A file system of its own for the run directories."""
    (base / "runs").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", base / "runs"],
                   check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", base / "runs"], check=True)


def write_matrix(base: Path, place: str) -> Path:
    """The small matrix for a place."""
    path = base / "small.toml"
    path.write_text("".join(GROUP.format(place=PLACES[place], way=way) for way in WAYS))
    return path


def _objects(path: Path) -> list[dict[str, Any]]:
    return list(runs.lines(path))


def check_events(home: Path, fault: str) -> None:
    """What the agents sent is there without a gap, and what the races said is in their cells."""
    sent: list[Any] = []
    for boot in sorted(home.glob("boots/*"), key=lambda path: int(path.name)):
        records = _objects(boot / "events.ndjson")
        numbers = [record["seq"] for record in records]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        sent += [record["r"] for record in records if record["t"] == "race"]
    kept: list[Any] = []
    for cell in sorted(home.glob("cells/*"), key=lambda path: path.stat().st_ctime_ns):
        kept += _objects(cell / "race.ndjson")
    if fault == "harness":
        assert all(record in sent for record in kept), "a record that nobody sent"
    else:
        assert sorted(map(json.dumps, kept)) == sorted(map(json.dumps, sent)), "a record was lost"


def check_cut(matrix: Matrix, fault: str) -> set[str]:
    """What must hold after the fault; the names of the cells that stand."""
    printed, words = matrix.said()
    assert "Traceback" not in words, words
    home = matrix.home
    if home is None:
        assert not printed
        return set()
    stored = [json.dumps(record) for record in _objects(home / "results.ndjson")]
    for record in printed:
        assert json.dumps(record) in stored or json.dumps(record) in words, "a record was lost"
    cells = runs.load(home).cells
    if fault != "disk":
        check_events(home, fault)
        known = {cell.name for cell in cells}
        assert {path.name for path in home.glob("cells/*")} <= known or fault == "harness"
    if fault not in ("disk", "harness"):
        assert len(cells) == len(WAYS), "the matrix did not go on"
    return {cell.name for cell in cells if cell.verdict != "INFRA"}


def check_resumed(matrix: Matrix, stood: set[str]) -> None:
    """What must hold when it was resumed: complete, and nothing was run again."""
    assert matrix.process.returncode in (0, 1), matrix.said()[1]
    home = matrix.home
    assert home is not None
    cells = runs.load(home).cells
    assert len(cells) == len(WAYS)
    assert all(cell.verdict != "INFRA" for cell in cells), [cell.reason for cell in cells]
    assert stood <= {cell.name for cell in cells}, "a cell that stood was run again"


def trial(base: Path, place: str, fault: str, at_s: float) -> tuple[bool, float]:
    """Run one trial: whether there was anything to kill from that moment on, and how long the
    run took that was to be cut, in seconds."""
    with small_disk(base):
        matrix = Matrix(base, place)
        path = write_matrix(base, place)
        started = time.monotonic()
        matrix.start(str(path))
        try:
            matrix.process.wait(at_s)
        except subprocess.TimeoutExpired:
            pass    # it is under way, as it should be
        hit = FAULTS[place][fault](matrix)
        while not hit and matrix.process.poll() is None:
            time.sleep(0.02)    # what is to be killed is not there yet
            hit = FAULTS[place][fault](matrix)
        matrix.process.wait(RUN_LIMIT_S)
        took_s = time.monotonic() - started
        (matrix.runs / "filler").unlink(missing_ok=True)
        time.sleep(0.3)     # the kernel ends an emulator with its harness, but not at once
        left = subprocess.run(["pgrep", "-f", f"qemu.*{base}"], stdout=subprocess.PIPE,
                              check=False).stdout
        assert not left, "an emulator was left running"
        stood = check_cut(matrix, fault)
        home = matrix.home
        if home is not None:
            matrix.start("--resume", str(home))
        else:
            matrix.start(str(path))
        matrix.process.wait(RUN_LIMIT_S)
        check_resumed(matrix, stood)
    return hit, took_s


def plan(seed: int, number: int, guests: int) -> list[tuple[str, str, float]]:
    """Places, faults and moments (as a share of a whole run) of that many trials."""
    dice = random.Random(seed)
    chosen = []
    for index in range(number):
        place = "guest" if index < guests else "local"
        faults = sorted(FAULTS[place])
        chosen.append((place, faults[index % len(faults)], dice.random()))
    return chosen

# SPDX-License-Identifier: GPL-2.0
"""The run directory: the truth of a run, written so that it survives whatever ends the run.

run.json            what was asked, when, on which host
results.ndjson      every cell twice: a pessimistic record before it, the real one after; the last
                    record of a cell counts
cells/NAME/         cell.json, race.ndjson, counters, kernel log and console of one cell
boots/N/            what one boot of a machine left: console, agent's records, emulator's words

Every record is on the disk (fsync) before the next step begins.
"""

import json
import os
import platform
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mmrace.cell import SCHEMA
from mmrace.errors import InfraError, StoreError
from mmrace.paths import runs_dir


def write_durably(path: Path, text: str) -> None:
    """Replace a file's content as a whole, on the disk when this returns."""
    work = path.with_name(f".{path.name}.new")
    with work.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    work.rename(path)


class Run:
    """One run directory under construction."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._boots = max((int(path.name) for path in home.glob("boots/*")
                           if path.name.isdigit()), default=0)
        self._lock = threading.Lock()

    @classmethod
    def create(cls, command: list[str], where: Path | None = None) -> "Run":
        """A new run directory, named by UTC time."""
        base = where or runs_dir()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        try:
            base.mkdir(parents=True, exist_ok=True)
            for attempt in range(1000):
                home = base / (stamp if attempt == 0 else f"{stamp}-{attempt}")
                try:
                    home.mkdir()
                    break
                except FileExistsError:
                    continue
            return cls.begin(command, home)
        except OSError as error:
            raise InfraError(f"cannot write the run directory below {base}: {error.strerror}; "
                             "free some space or set MMRACE_RUNS") from None

    @classmethod
    def begin(cls, command: list[str], home: Path) -> "Run":
        """A run in a directory that exists and is new; OSError when it cannot be written."""
        write_durably(home / "run.json", json.dumps({
            "schema": SCHEMA, "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "command": command, "host": {
                "machine": platform.machine(), "release": platform.release(),
                "cpus": os.cpu_count(), "python": sys.version.split()[0]}}, indent=1))
        return cls(home)

    def boot_dir(self) -> Path:
        """A new directory for a boot's own files."""
        with self._lock:
            self._boots += 1
            path = self.home / "boots" / str(self._boots)
        self._mkdir(path)
        return path

    def _mkdir(self, path: Path) -> None:
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise StoreError(f"cannot write below {self.home}: {error.strerror}; free some space "
                             "or set MMRACE_RUNS") from None

    def cell_dir(self, name: str) -> Path:
        """The directory of a cell, new for every time that a cell of that name is run."""
        base = self.home / "cells"
        path = base / name
        count = 1
        while path.exists():
            count += 1
            path = base / f"{name}.{count}"
        self._mkdir(path)
        return path

    def keep(self, cell_dir: Path, files: dict[str, str], boot: str | None) -> None:
        """Keep a cell's evidence; a full disk costs evidence, never the cell's record."""
        try:
            if boot:
                (cell_dir / "console.log").symlink_to(f"../../boots/{boot}/console.log")
            for name, text in files.items():
                (cell_dir / name).write_text(text)
        except OSError as error:
            print(f"mmrace: evidence of {cell_dir.name} is incomplete: {error.strerror}",
                  file=sys.stderr)

    def record(self, cell_dir: Path, record: dict[str, Any]) -> None:
        """Store a cell's record, durably; one that cannot be stored is in the error's text."""
        line = json.dumps(record)
        try:
            with self._lock, (self.home / "results.ndjson").open("ab+") as file:
                # A run that was killed may have left half a line; it must not spoil this one.
                torn = file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
                file.write((b"\n" if torn else b"") + line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            write_durably(cell_dir / "cell.json", json.dumps(record, indent=1))
        except OSError as error:
            raise StoreError(f"cannot write below {self.home}: {error.strerror}; free some space "
                             f"or set MMRACE_RUNS. The record that could not be stored:\n{line}"
                             ) from None

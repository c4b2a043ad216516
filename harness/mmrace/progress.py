# SPDX-License-Identifier: GPL-2.0
"""What a user sees while a run goes on: a live line at a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from mmrace.cell import Cell
from mmrace.kernels import Kernel
from mmrace.report.verdicts import look

# Plain output gets a line for progress at most this often, in seconds.
PLAIN_EVERY_S = 5.0


class _Own(threading.local):
    """What each thread that runs cells is at."""

    label = ""
    last_plain = 0.0


class Progress:
    """Progress on one console; a run without a terminal gets one line for each step.

    Several threads may report to it, each about a cell of its own.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Status | None = None
        self._own = _Own()
        self._texts: dict[int, str] = {}

    def _live(self, text: str) -> None:
        if not self.console.is_terminal:
            return
        self._texts[threading.get_ident()] = text
        text = "  |  ".join(list(self._texts.values()))
        if self._status is None:
            self._status = self.console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def close(self) -> None:
        """End the live line; what follows prints normally."""
        if self._status:
            self._status.stop()
            self._status = None

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A step that takes its time: named while it runs, and with its time when that was long."""
        self._live(escape(what))
        started = time.monotonic()
        yield
        took = time.monotonic() - started
        if took > 1.0:
            self.console.print(f"  {escape(what)}: {took:.1f} s", highlight=False)

    def say(self, text: str) -> None:
        """Something that the user should know, on a line of its own."""
        self.console.print(f"  {escape(text)}", highlight=False, soft_wrap=True)

    def cell_started(self, cell: Cell, kernel: Kernel) -> None:
        """A cell begins on a machine that is up."""
        self._own.label = f"{cell.race} {cell.mode} on {kernel.upstream} {cell.arch}"
        if cell.variant != "default":
            self._own.label += f" ({cell.variant})"
        self._own.last_plain = time.monotonic()
        self._live(escape(self._own.label))

    def cell_progress(self, cell: Cell, rounds: int, failures: int, elapsed_s: float) -> None:
        """Rounds so far."""
        text = (f"{self._own.label}: {rounds} rounds, {failures} failed, "
                f"{elapsed_s:.0f} of {cell.duration:g} s")
        self._live(escape(text))
        now = time.monotonic()
        if not self.console.is_terminal and now - self._own.last_plain >= PLAIN_EVERY_S:
            self._own.last_plain = now
            self.console.print(f"  {escape(text)}", highlight=False)

    def cell_done(self, record: Mapping[str, Any]) -> None:
        """A cell's record is stored."""
        style = look(record["verdict"]).style
        label = self._own.label or f"{record['race']} {record['mode']} {record['arch']}"
        reason = record["reason"].splitlines()[0]
        self.console.print(f"[{style}]{record['verdict']:12}[/] {escape(label)}: {escape(reason)}",
                           highlight=False, soft_wrap=True)
        self._own.label = ""

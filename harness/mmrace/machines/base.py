# SPDX-License-Identifier: GPL-2.0
"""What every machine offers: an agent that takes commands and sends records."""

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from mmrace import canary, splat

Message = dict[str, Any]


class MachineLost(Exception):
    """The machine is gone or silent.

    `kind` is `panic`, `hang` or `lost`; what an emulator did to its own guest is `abort` (it
    ended) or `emulator`.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def parse_records(lines: Iterable[bytes]) -> list[Message]:
    """The records in whole lines; one that is none (a machine that is breaking, a login banner)
    becomes a record of type `garbled` with its `text`, which nobody takes for anything else."""
    records: list[Message] = []
    for line in filter(None, lines):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("t"), str):
            record = {"t": "garbled", "text": line.decode(errors="replace")}
        records.append(record)
    return records


# How much of a report a lost machine's reason quotes, in lines; the console has all of it.
QUOTED_LINES = 6


def console_panic(console: str) -> str | None:
    """What made the kernel panic, in one line, and the first lines of its report; None if it
    did not panic. The panic's own words ("Fatal exception") seldom name the cause."""
    lines = console.splitlines()
    words = next((splat.title.strip(line) for line in lines if "Kernel panic" in line), None)
    cause = splat.worst(splat.scan(lines))
    if cause is None or cause.verdict != "PANIC":
        return words
    name = cause.title if words is None or cause.title in words else f"{cause.title}: {words}"
    return "\n  ".join([name, *cause.excerpt[:QUOTED_LINES]])


class Link(Protocol):
    """The line to an agent."""

    def send(self, line: str) -> None:
        """Send one command line, without its newline."""

    def poll(self) -> list[Message]:
        """The records that have come since the last call; never blocks for long."""

    def alive(self) -> bool:
        """Whether more records can come."""

    def death(self) -> MachineLost:
        """Why it is not alive any more."""

    def silence(self, detail: str) -> MachineLost:
        """Why it is alive and silent, having run nothing yet; `detail` says for how long."""

    def use(self) -> canary.Use:
        """As canary.use(), of the machine's own process."""


# An idle agent sends a beat each second. A guest on a busy host may fall behind by seconds, a
# widened window holds one vCPU for milliseconds: half a minute of silence is neither.
SILENCE_S = 30.0


class Agent:
    """The client's side of docs/contracts.md, section 3."""

    def __init__(self, link: Link, silence_s: float = SILENCE_S,
                 stop: threading.Event | None = None,
                 slowdown: Callable[[], float] = canary.slowdown) -> None:
        """`stop`, once set, ends every wait as Ctrl-C does."""
        self.link = link
        self.silence_s = silence_s
        self._stop = stop or threading.Event()
        self._slowdown = slowdown
        self.kmsg: list[Message] = []
        self.boot: list[Message] = []
        self.hello: Message | None = None
        self._ran = False
        self._ids = itertools.count(1)
        self._pending: deque[Message] = deque()
        self._last_heard = time.monotonic()
        self._quiet: canary.Stopwatch | None = None

    def _note(self, record: Message) -> None:
        kind = record.get("t")
        if kind == "kmsg":
            self.kmsg.append(record)
        elif kind == "boot":
            self.boot.append(record)
        elif kind == "hello":
            self.hello = record

    def next(self, deadline: float) -> Message | None:
        """The next record, or None at the deadline (monotonic seconds).

        Raises MachineLost when the machine is gone, or silent for too long.
        """
        while True:
            if self._pending:
                return self._pending.popleft()
            records = self.link.poll()
            if records:
                self._last_heard = time.monotonic()
                self._quiet = None
                for record in records:
                    self._note(record)
                self._pending.extend(records)
                continue
            if not self.link.alive():
                for record in self.link.poll():
                    self._note(record)
                    self._pending.append(record)
                if not self._pending:
                    raise self.link.death()
                continue
            if self._stop.is_set():
                raise KeyboardInterrupt
            now = time.monotonic()
            quiet_s = now - self._last_heard
            self._quiet = self._quiet or canary.Stopwatch(self.link.use)
            if (quiet_s > self.silence_s and quiet_s - self._quiet.lost_s() > self.silence_s
                    and quiet_s > self.silence_s * self._slowdown()):
                during = "" if self.hello else " while it booted"
                raise self._silent(f"nothing heard from the machine{during} for {quiet_s:.0f} s")
            if now >= deadline:
                return None
            time.sleep(0.01)

    def _silent(self, detail: str) -> MachineLost:
        return MachineLost("hang", detail) if self._ran else self.link.silence(detail)

    def wait(self, want: Callable[[Message], bool], timeout_s: float, what: str,
             seen: Callable[[Message], None] | None = None) -> Message:
        """The first record that is wanted; every record on the way goes to `seen`."""
        started = time.monotonic()
        watch = canary.Stopwatch(self.link.use)
        limit_s = timeout_s
        while True:
            record = self.next(started + limit_s)
            if record is None:
                slower_s = max(timeout_s * self._slowdown(), timeout_s + watch.lost_s())
                if slower_s > limit_s:
                    limit_s = slower_s
                    continue
                raise self._silent(f"{what}: no answer within {limit_s:.0f} s")
            if seen:
                seen(record)
            if want(record):
                return record

    def wait_ready(self, timeout_s: float) -> Message:
        """Wait for the agent's first word; its `hello` record."""
        self._last_heard = time.monotonic() + timeout_s
        return self.wait(lambda record: bool(record["t"] == "hello"), timeout_s, "booting")

    def _send(self, name: str, *fields: str) -> str:
        """Send a command with an id of its own; the id."""
        for field in fields:
            if "\t" in field or "\n" in field:
                raise ValueError(f"a field for the agent has no TAB or newline: {field!r}")
        ident = str(next(self._ids))
        self.link.send("\t".join([name, ident, *fields]))
        return ident

    def request(self, *fields: str, timeout_s: float = 60.0) -> Message:
        """Send a command and return the record that answers it."""
        name, *rest = fields
        ident = self._send(name, *rest)
        return self.wait(lambda record: record.get("id") == ident
                         and record["t"] in ("reply", "file", "exit"), timeout_s,
                         " ".join(fields))

    def read(self, path: str) -> str | None:
        """A file's text on the machine (a directory's names, a line each); None if unreadable."""
        answer = self.request("read", path)
        return str(answer["text"]) if answer["ok"] else None

    def read_all(self, paths: Iterable[str]) -> dict[str, str | None]:
        """As read(), of many files, without waiting for one before the next is asked for."""
        asked = {self._send("read", path): path for path in paths}
        texts: dict[str, str | None] = {}

        def last(record: Message) -> bool:
            if record["t"] == "file" and record.get("id") in asked:
                texts[asked[record["id"]]] = str(record["text"]) if record["ok"] else None
            return len(texts) == len(asked)

        if asked:
            self.wait(last, 60.0, f"reading {len(asked)} files")
        return texts

    def write(self, path: str, text: str) -> str | None:
        """Write to a file on the machine; None, or the error."""
        answer = self.request("write", path, text)
        return None if answer["ok"] else str(answer["error"])

    def run(self, argv: list[str], timeout_s: float,
            seen: Callable[[Message], None]) -> Message:
        """Run a program to its end; its `exit` record. Every record goes to `seen`.

        The agent ends it after timeout_s (SIGTERM, SIGKILL after 5 s); a task that outlives
        that is stuck in the kernel.
        """
        self._ran = True
        ident = self._send("run", f"{timeout_s:.1f}", *argv)
        return self.wait(lambda record: record.get("id") == ident
                         and record["t"] in ("exit", "reply"), timeout_s + 30,
                         f"{argv[0]} does not die", seen)

# SPDX-License-Identifier: GPL-2.0
"""The append-only log of a bisection: NDJSON, fsynced record by record.

The first line is the header (format version, history, settings); every other
line is one event.  Reading the events in order gives the state back, so a
search that was killed goes on where it stood.  A last line that was cut short
is dropped.  Names, not numbers, stand for commits.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from mmrace.bisect.graph import Graph
from mmrace.bisect.settings import Built, Kind, Outcome, Settings
from mmrace.bisect.state import BuildEvent, Event, PhaseEvent, TrialEvent
from mmrace.errors import UsageError

FORMAT = 1


class LogError(UsageError):
    """The log belongs to another history, other settings, or is damaged."""


def encode(event: Event, graph: Graph) -> dict[str, Any]:
    """One event as JSON."""
    if isinstance(event, BuildEvent):
        built = dataclasses.asdict(event.built)
        return {"ev": "build", "commit": graph.names[event.node], **built}
    if isinstance(event, TrialEvent):
        outcome = dataclasses.asdict(event.outcome) | {"kind": event.outcome.kind.value}
        outcome = {name: value for name, value in outcome.items()
                   if value is not None and value is not False}
        held = {"held_out": True} if event.held_out else {}
        return {"ev": "trial", "commit": graph.names[event.node], **outcome, **held}
    suspect = None if event.suspect is None else graph.names[event.suspect]
    order = [graph.names[node] for node in event.order]
    return {"ev": "phase", "phase": event.phase, "suspect": suspect, "order": order}


def decode(record: dict[str, Any], graph: Graph) -> Event:
    """The event of a JSON record; LogError when it is none."""
    try:
        if record["ev"] == "phase":
            suspect = record["suspect"]
            return PhaseEvent(
                record["phase"],
                None if suspect is None else graph.index[suspect],
                tuple(graph.index[name] for name in record["order"]),
            )
        node = graph.index[record["commit"]]
        if record["ev"] == "build":
            built = Built(record["ok"], record["cost"], record["key"], record["detail"])
            return BuildEvent(node, built)
        if record["ev"] == "trial":
            kind = Kind(record["kind"])
            outcome = Outcome(kind, record["cost"], record["exposure"], record["detail"],
                              record.get("dead", False), record.get("seed"))
            return TrialEvent(node, outcome, record.get("held_out", False))
    except (KeyError, ValueError) as error:
        raise LogError(f"a record of the log is damaged: {error}: {record}") from error
    raise LogError(f"the log has a record of an unknown kind: {record['ev']}")


def header(graph: Graph, settings: Settings) -> dict[str, Any]:
    """The log's first record.  Budget and costs are left out: they may change on a resume."""
    return {
        "ev": "bisect",
        "format": FORMAT,
        "old": graph.names[0],
        "new": graph.names[graph.new],
        "candidates": graph.candidates,
        "history": graph.digest(),
        "find": settings.find,
        "confidence": settings.confidence,
        "seed": settings.seed,
    }


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The complete records of a log; a cut last line is dropped, another bad one refused."""
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise LogError(f"{path}:{number}: not JSON") from error


def replay(path: Path, graph: Graph, settings: Settings) -> list[Event]:
    """The events of a log of this very bisection."""
    records = list(read(path))
    if not records:
        return []
    wanted, found = header(graph, settings), records[0]
    for name, value in wanted.items():
        if found.get(name) != value:
            raise LogError(
                f"{path} is the log of another bisection: {name} is {found.get(name)!r}, "
                f"now {value!r}; choose another log file"
            )
    return [decode(record, graph) for record in records[1:] if record["ev"] != "answer"]


class Log:
    """Appends events to a log; the file is complete up to the last event at any time."""

    def __init__(self, path: Path, graph: Graph, settings: Settings) -> None:
        self.graph = graph
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise LogError(f"{path} is being written: the bisection still runs; end that one "
                           "first") from None
        old = path.read_bytes()
        whole = old.rfind(b"\n") + 1
        if whole < len(old):
            self._file.truncate(whole)
        if not whole:
            self.write(header(graph, settings))

    def write(self, record: dict[str, Any]) -> None:
        """Append one record and make it durable."""
        self._file.write(json.dumps(record, sort_keys=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def event(self, event: Event) -> None:
        """Append one event."""
        self.write(encode(event, self.graph))

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

# SPDX-License-Identifier: GPL-2.0
"""The module as a machine shows it: the only place that knows its debugfs files' form."""

import json
from dataclasses import dataclass
from typing import Any

from mmrace.machines.base import Agent

DEBUGFS = "/sys/kernel/debug/mmrace"
KO = "/mmrace/mmrace.ko"


COLUMNS = {
    "windows": ("name", "min_ns", "max_ns", "odds", "budget_us_per_s", "state", "hits", "delays",
                "delayed_ns"),
    "checkers": ("name", "state", "decides", "law"),
    "plants": ("name", "state", "symbol", "hits", "reason"),
}

# What a file's rows are called in `themes`: a window is its probe's.
THEMED_AS = {"windows": "probe", "checkers": "checker", "plants": "plant"}


@dataclass(frozen=True)
class Probe:
    """One line of the `probes` file."""

    name: str
    theme: str
    group: str
    state: str
    symbol: str
    hits: int
    missed: int
    window: bool
    reason: str


def _lines(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if line and not line.startswith("#")]


class ModuleView:
    """mmrace.ko on a machine whose agent we talk to."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._theme_of: dict[tuple[str, str], str] | None = None

    def insert(self, params: str = "", path: str = KO) -> str | None:
        """Load the module (a guest has it in its initramfs); None, or why it is not there."""
        answer = self._agent.request("insmod", path, params)
        if answer["ok"]:
            return None
        said = [record["text"] for record in self._agent.kmsg if "mmrace" in record["text"]]
        return (f"the module did not load: {answer['error']}"
                + (f" ({said[-1]})" if said else ""))

    def remove(self) -> None:
        """Unload it, if it is loaded."""
        self._agent.request("rmmod", "mmrace")

    def present(self) -> bool:
        """Whether its debugfs files are there and of the version that we read."""
        return self._agent.read(f"{DEBUGFS}/version") is not None

    def read(self, name: str) -> str | None:
        """The text of one of its files."""
        return self._agent.read(f"{DEBUGFS}/{name}")

    def write(self, name: str, text: str) -> str | None:
        """Write to one of its files; None, or the error."""
        return self._agent.write(f"{DEBUGFS}/{name}", text)

    def pairs(self, name: str) -> dict[str, str]:
        """A `name value` file such as `version` or `caps`."""
        return {key: value for key, _, value in
                (line.partition(" ") for line in _lines(self.read(name)))}

    def counters(self) -> dict[str, int]:
        """Every counter."""
        return {name: int(value) for name, value in self.pairs("counters").items()}

    def probes(self) -> list[Probe]:
        """Every probe and its state."""
        found = []
        for line in _lines(self.read("probes")):
            name, group, state, symbol, hits, missed, window, reason = line.split(" ", 7)
            found.append(Probe(name, self._theme("probe", name), group, state, symbol, int(hits),
                               int(missed), window == "yes", "" if reason == "-" else reason))
        return found

    def table(self, name: str) -> list[dict[str, Any]]:
        """A file whose lines are columns; the last column takes the rest of the line.

        Each row also has its theme.
        """
        columns = COLUMNS[name]
        rows = [dict(zip(columns, line.split(" ", len(columns) - 1)))
                for line in _lines(self.read(name))]
        return [{"name": row["name"], "theme": self._theme(THEMED_AS[name], row["name"]), **row}
                for row in rows]

    def _theme(self, kind: str, name: str) -> str:
        if self._theme_of is None:
            self._theme_of = {}
            for line in _lines(self.read("themes")):
                of_kind, of_name, theme = line.split(" ")
                self._theme_of[of_kind, of_name] = theme
        return self._theme_of.get((kind, name), "-")

    def findings(self) -> list[dict[str, Any]]:
        """Every finding."""
        return [json.loads(line) for line in _lines(self.read("findings"))]

    def everything(self) -> dict[str, str]:
        """The text of every file, for the evidence."""
        top, hists = DEBUGFS, f"{DEBUGFS}/hist"
        listed = self._agent.read_all((top, hists))
        paths = {name: f"{top}/{name}" for name in _lines(listed[top])
                 if name not in ("hist", "reset")}
        paths |= {f"hist-{name}": f"{hists}/{name}" for name in _lines(listed[hists])}
        texts = self._agent.read_all(paths.values())
        return {name: texts[path] or "" for name, path in paths.items()}

# SPDX-License-Identifier: GPL-2.0
"""junit.xml: the run for CI systems, in the form that Jenkins, GitLab and pytest share.

A verdict against the kernel is a ``failure``, one against the harness or machine an ``error``, and
what proves nothing is ``skipped``; the type is always the verdict word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from . import files, runs
from .cells import Cell
from .honesty import cell_limits, notes
from .terminal import exposure, ordered, seconds
from .verdicts import look

_ELEMENTS = {"fail": "failure", "broken": "error", "unknown": "skipped"}

# XML 1.0 section 2.2 allows no other characters, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _clean(value: object) -> str:
    return _FORBIDDEN.sub("\ufffd", str(value))


def _case(cell: Cell) -> Xml.Element:
    case = Xml.Element("testcase", classname=_clean(f"mmrace.{cell.theme}"),
                       name=_clean(cell.name), time=f"{cell.elapsed_s or 0:.3f}")
    properties = Xml.SubElement(case, "properties")
    for name, value in (
        ("verdict", cell.verdict), ("expected", cell.expected), ("kernel", cell.kernel_version),
        ("arch", cell.arch), ("platform", cell.platform), ("mode", cell.mode),
        ("rounds", cell.rounds), ("failures", cell.failures), ("exposure", exposure(cell)),
        ("time_to_first_failure", seconds(cell.first_failure_s)),
        ("seed", cell.record.get("seed")), ("replay", cell.record.get("replay")),
        ("cannot_show", "; ".join(cell_limits(cell))),
    ):
        if value not in (None, ""):
            Xml.SubElement(properties, "property", name=name, value=_clean(value))
    element = _ELEMENTS.get(look(cell.verdict).family)
    if element:
        outcome = Xml.SubElement(case, element, type=_clean(cell.verdict),
                                 message=_clean(f"{cell.verdict}: {cell.reason}"))
        outcome.text = _clean(f"{cell.reason}\n{cell.record.get('replay') or ''}".strip())
    return case


def render(records: Iterable[Mapping[str, Any]], started: str = "") -> str:
    """The cells as one JUnit document; STARTED is the run's time in ISO 8601."""
    cells = ordered(records)
    root = Xml.Element("testsuites", name="mmrace")
    for theme, group in groupby(cells, lambda cell: cell.theme):
        members = list(group)
        families = [look(cell.verdict).family for cell in members]
        suite = Xml.SubElement(
            root, "testsuite", name=_clean(theme), tests=str(len(members)),
            failures=str(families.count("fail")), errors=str(families.count("broken")),
            skipped=str(families.count("unknown")), timestamp=_clean(started.rstrip("Z")),
            time=f"{sum(cell.elapsed_s or 0 for cell in members):.3f}")
        suite.extend(_case(cell) for cell in members)
        said = notes(members)
        if said:
            Xml.SubElement(suite, "system-out").text = _clean("\n".join(said))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def save(run: runs.Run) -> Path:
    """Write junit.xml into the directory of RUN and return its path."""
    return files.write(run.home / "junit.xml",
                       render(run.records, str(run.meta.get("started") or "")))


def write(run_dir: Path) -> Path:
    """Write RUN_DIR/junit.xml and return its path."""
    return save(runs.load(run_dir))

# SPDX-License-Identifier: GPL-2.0
"""What the module has, kernel by kernel: asked of guests that were booted, never inferred."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmrace import config
from mmrace.cell import Place
from mmrace.module_guest import module_on

HEAD = """\
# What the module has, kernel by kernel

Written by `./mmrace caps --write`: each row is a guest that was booted, with the module loaded and
plants allowed. *Probes* are armed, armed on demand, or absent, because the kernel has none of
their symbols; *windows* can be widened; *checkers* decide or cannot, on this very machine;
*plants* can be planted or are absent. [probes.md](probes.md) says what they are.

"""
COLUMNS = ("kernel", "arch", "machine", "MMU", "probes armed + on demand / absent", "windows",
           "checkers deciding / not", "plants / absent")


@dataclass(frozen=True)
class Row:
    """One guest's module; `undecided` has the reason of each checker that cannot decide."""

    place: Place
    release: str
    mmu: str
    armed: tuple[str, ...]
    on_demand: tuple[str, ...]
    absent: tuple[str, ...]
    windows: tuple[str, ...]
    deciding: tuple[str, ...]
    undecided: dict[str, str]
    plants: tuple[str, ...]
    no_plants: tuple[str, ...]


def places() -> list[Place]:
    """Every Debian kernel on the plain machine, and ppc64le's with the hash MMU, too."""
    return [Place("qemu", f"debian:{name}", arch, variant)
            for name, kernel in config.debian_kernels().items() for arch in kernel.arches
            for variant in ("default", *(["ppc64-hash"] if arch == "ppc64le" else []))]


def measure(place: Place) -> Row:
    """Boot `place` and ask; InfraError when it cannot be booted or the module does not load."""
    with module_on(place) as module:
        probes, caps = module.probes(), module.pairs("caps")
        plants = module.table("plants")
        verdicts = {name.removeprefix("checker."): text for name, text in caps.items()
                    if name.startswith("checker.")}
        return Row(
            place, module.pairs("version")["kernel"], caps["mmu"],
            tuple(probe.name for probe in probes if probe.state == "armed"),
            tuple(probe.name for probe in probes if probe.state == "disabled"),
            tuple(probe.name for probe in probes if probe.state == "absent"),
            tuple(row["name"] for row in module.table("windows")
                  if row["name"] in {probe.name for probe in probes if probe.state == "armed"}),
            tuple(name for name, text in verdicts.items() if text == "decides"),
            {name: text.removeprefix("cannot decide: ") for name, text in verdicts.items()
             if text != "decides"},
            tuple(row["name"] for row in plants if row["state"] != "absent"),
            tuple(row["name"] for row in plants if row["state"] == "absent"))


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a page: the table, and then what each has not."""
    text = HEAD + _line(COLUMNS) + _line(["---"] * len(COLUMNS))
    for row in rows:
        text += _line([row.release, row.place.arch, row.place.variant, row.mmu,
                       f"{len(row.armed)} + {len(row.on_demand)} / {len(row.absent)}",
                       len(row.windows), f"{len(row.deciding)} / {len(row.undecided)}",
                       f"{len(row.plants)} / {len(row.no_plants)}"])
    for row in rows:
        text += (f"\n## {row.release} {row.place.arch} {row.place.variant}\n\n"
                 f"- absent probes: {_names(row.absent)}\n"
                 f"- plants: {_names(row.plants)}\n")
        if row.undecided:
            text += "- cannot decide: " + "; ".join(
                f"`{name}` ({why})" for name, why in row.undecided.items()) + "\n"
    return text

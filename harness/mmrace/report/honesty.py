# SPDX-License-Identifier: GPL-2.0
"""What a platform cannot show, said wherever its results are shown.

A PASS under emulation is weaker than it looks.  QEMU's TCG runs guest code on the host's memory
model: docs/devel/multi-thread-tcg.rst of QEMU allows multi-threaded TCG only where the host orders
at least as strongly as the guest, so a weakly ordered guest on an x86 host never shows the
reorderings that its real hardware does, and translated code is never executed speculatively against
the guest's page tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .cells import Cell, mapping, text

WEAKLY_ORDERED = frozenset({"ppc64le", "ppc64", "ppc64el", "arm64", "aarch64", "riscv64"})
"""Architectures whose hardware reorders loads and stores more than x86 (TSO) and s390x do."""

_STRONG_HOSTS = frozenset({"x86_64", "amd64", "s390x"})


def limits(arch: str, accel: str, host_arch: str = "x86_64") -> list[str]:
    """Return what a cell of ARCH under ACCEL on HOST_ARCH cannot show; empty for real hardware."""
    if accel == "unknown":
        return ["the machine's accelerator was not recorded: compare with nothing"]
    if accel != "tcg":
        return []
    found = ["no speculative execution or speculative TLB fills"]
    if arch in WEAKLY_ORDERED and host_arch in _STRONG_HOSTS:
        found.insert(0, f"no weak memory ordering ({arch} emulated on {host_arch})")
    found.append("TLB size, timing and invalidation broadcast are QEMU's, not the hardware's")
    return found


def cell_limits(cell: Cell) -> list[str]:
    """Return what CELL's platform cannot show."""
    machine = mapping(cell.record.get("machine"))
    return limits(cell.arch, cell.accel, text(machine.get("host_arch")) or "x86_64")


def notes(cells: Iterable[Cell]) -> list[str]:
    """Return one sentence per kind of platform among CELLS about what it cannot show.

    Several platforms in one run get a further sentence: their rates are not comparable.
    """
    seen: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        if cell.accel != "unknown" or cell.rounds:
            seen.setdefault((cell.arch, cell.accel), cell)
    said = [
        f"{arch} under {accel} cannot show: {'; '.join(cell_limits(cell))}"
        for (arch, accel), cell in sorted(seen.items())
        if cell_limits(cell)
    ]
    accels: Sequence[str] = sorted({accel for _, accel in seen})
    if len(accels) > 1:
        said.append(f"{', '.join(accels)} are unlike platforms: never pool their rates")
    return said

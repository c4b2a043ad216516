# SPDX-License-Identifier: GPL-2.0
"""Run directories for the tests of the views: invented cells in the form of docs/contracts.md."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RACES = ("lost-write", "thp-split-gup", "secondary-mmu", "full-mm-exit", "lazy-mmu", "ksm-unmerge")
KERNELS = (("debian:bullseye", "5.10.223"), ("debian:bookworm", "6.1.176"),
           ("debian:trixie", "6.12.107"), ("debian:sid", "7.2.13"))
ARCHES = ("x86_64", "s390x", "ppc64le")
VARIANTS = ("default", "hash", "preempt-full", "numa")
MODES = ("natural", "widened", "control")

OOPS = """\
[    2.077758] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    2.077758] #PF: supervisor read access in kernel mode
[    2.077758] Oops: 0000 [#1] PREEMPT SMP NOPTI
[    2.077758] CPU: 0 PID: 88 Comm: race Tainted: G           OE      6.1.0 #1
[    2.077758] RIP: 0010:unmap_page_range+0x81/0x1000
[    2.077758] Call Trace:
[    2.077758]  zap_pte_range+0x59/0x220
[    2.077758] ---[ end trace 0000000000000000 ]---
"""


def record(race: str = "lost-write", mode: str = "natural", arch: str = "ppc64le",
           kernel: tuple[str, str] = KERNELS[1], variant: str = "default",
           **changes: Any) -> dict[str, Any]:
    """A valid record of one cell, with CHANGES."""
    name = ".".join([kernel[0].replace(":", "-"), arch, variant, race, mode])
    return {
        "schema": 1, "race": race, "theme": "lost-write" if race == "ksm-unmerge" else race,
        "mode": mode, "arch": arch,
        "kernel": {"id": kernel[0], "version": kernel[1]},
        "machine": {"kind": "qemu", "accel": "tcg,thread=multi", "variant": variant, "vcpus": 4},
        "verdict": "RACE", "reason": "3 of 3742 rounds failed the data oracle",
        "expected": {"verdicts": ["RACE"], "met": True, "reason": "fixed in 6.2", "fix": "5df397d"},
        "rounds": 3742, "failures": 3, "time_to_first_failure_s": 0.156,
        "exposure": {"counter": "exposure.lost-write", "count": 114, "min": 10},
        "counters": {"probe.gather.begin": 2790, "probe.tlb.flush": 1147},
        "findings": [], "splats": [], "seed": 7, "elapsed_s": 8.0,
        "started": "2026-11-21T05:38:37Z",
        "replay": f"./mmrace run --kernel {kernel[0]} --arch {arch} --race {race} --mode {mode}",
        "run_dir": "/run", "cell": name,
    } | changes


def _judged(rng: random.Random, race: str, kernel: str, arch: str, mode: str) -> dict[str, Any]:
    """A plausible outcome: old kernels fail, new ones pass, some machines cannot run it."""
    if arch == "s390x" and race == "thp-split-gup":
        return {"verdict": "SKIP", "reason": "this machine has no EDAT: no huge pages",
                "rounds": 0, "failures": 0, "time_to_first_failure_s": None, "exposure": None}
    if kernel == "debian:bullseye" and arch != "x86_64":
        return {"verdict": "SKIP", "reason": f"Debian ships no such kernel for {arch}",
                "rounds": 0, "failures": 0, "time_to_first_failure_s": None, "exposure": None}
    odds = {"lost-write": .95, "secondary-mmu": .25, "lazy-mmu": .4}.get(race, .06)
    failing = kernel in ("debian:bullseye", "debian:bookworm") and arch != "s390x"
    if mode == "control":
        proven = rng.random() < .93
        return {"verdict": "PASS" if proven else "INCONCLUSIVE", "reason": "the plant was detected",
                "time_to_first_failure_s": round(rng.lognormvariate(-2, 1), 4)}
    if failing and rng.random() < odds:
        word = rng.choices(("RACE", "SPLAT", "PANIC", "FINDING", "HANG"), (10, 2, 1, 2, 1))[0]
        first = round(rng.lognormvariate(-1 if mode == "widened" else .3, 1.1), 4)
        return {"verdict": word, "time_to_first_failure_s": min(first, 29.0),
                "expected": {"met": race in ("lost-write", "lazy-mmu"), "verdicts": ["RACE"],
                             "reason": "before the fix"}}
    word = rng.choices(("PASS", "INCONCLUSIVE", "ERROR", "INFRA"), (30, 5, .3, .3))[0]
    return {"verdict": word, "time_to_first_failure_s": None, "failures": 0,
            "reason": "no failure seen; control proven"}


def many(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """COUNT different plausible cells, the same for the same SEED."""
    rng = random.Random(seed)
    cells: list[dict[str, Any]] = []
    repeat = 0
    while len(cells) < count:
        for variant in VARIANTS:
            for kernel in KERNELS:
                for arch in ARCHES:
                    if (variant == "hash") > (arch == "ppc64le"):
                        continue
                    for race in RACES:
                        for mode in MODES:
                            cells.append(_one(rng, race, mode, arch, kernel, variant, repeat))
        repeat += 1
    return cells[:count]


def _one(rng: random.Random, race: str, mode: str, arch: str, kernel: tuple[str, str],
         variant: str, repeat: int) -> dict[str, Any]:
    found = record(race, mode, arch, kernel, variant)
    rounds = int(rng.lognormvariate(6.5, 1))
    found |= {"expected": {"met": True}, "rounds": rounds, "elapsed_s": 30.0,
              "exposure": {"counter": f"exposure.{race}", "min": 100,
                           "count": int(rng.lognormvariate(7, 1.6))},
              "counters": {name: int(rng.lognormvariate(8, 2)) for name in (
                  "probe.gather.begin", "probe.gather.page", "probe.tlb.flush",
                  "probe.rmap.remove", "probe.rmap.mkclean", "probe.mm.exit")}}
    found |= _judged(rng, race, kernel[0], arch, mode)
    seen = found["exposure"]
    if found["verdict"] == "PASS" and seen["count"] < seen["min"]:
        found |= {"verdict": "INCONCLUSIVE", "reason": "too little exposure"}
    if repeat:
        found["cell"] += f".{repeat + 1}"
    return found


def write_run(home: Path, records: Iterable[dict[str, Any]]) -> Path:
    """Write RECORDS as a run directory HOME, with logs and histograms for the failing cells."""
    (home / "cells").mkdir(parents=True)
    (home / "run.json").write_text(json.dumps({
        "schema": 1, "started": "2026-11-21T05:37:34Z",
        "command": ["./mmrace", "matrix", "configs/matrix/seeds.toml"],
        "host": {"machine": "x86_64", "release": "6.1.0", "cpus": 2}}))
    with (home / "results.ndjson").open("w") as results:
        for one in records:
            results.write(json.dumps(one | {"verdict": "INFRA"}) + "\n" + json.dumps(one) + "\n")
            if one["verdict"] in ("RACE", "SPLAT", "PANIC"):
                _evidence(home / "cells" / one["cell"], one)
    return home


def _evidence(where: Path, one: dict[str, Any]) -> None:
    where.mkdir()
    (where / "cell.json").write_text(json.dumps(one))
    if one["verdict"] != "RACE":
        (where / "kmsg.log").write_text(OOPS)
    first = one["time_to_first_failure_s"] or 1.0
    failures = [{"ev": "failure", "round": 3 + n, "elapsed_s": first * (1 + n * .7),
                 "detail": f"page {n}: on disk 41, the writer stored 44"} for n in range(9)]
    (where / "race.ndjson").write_text("".join(json.dumps(f) + "\n" for f in failures))
    rows = [f"{2**n} {2**(n + 1) - 1} {int(900 / (1 + abs(n - 13)))}" for n in range(8, 22)]
    (where / "module-hist-tlb.flush").write_text(
        "\n".join(["# mmrace hist 1", *rows, "total 9000 123456789"]) + "\n")

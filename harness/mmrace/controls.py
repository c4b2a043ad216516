# SPDX-License-Identifier: GPL-2.0
"""Proven controls, remembered: a race that was never seen failing proves nothing by passing."""

import json
import time
from typing import Any

from mmrace.locks import locked
from mmrace.paths import cache_dir


def key(race: str, kernel: str, module_build: str, race_build: str, machine: str) -> str:
    """What a proof is good for: any other kernel, build or kind of machine needs its own."""
    return "|".join((race, kernel, module_build, race_build, machine))


def _load() -> dict[str, Any]:
    path = cache_dir() / "controls.json"
    if not path.exists():
        return {}
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def remember(proof: str, run_dir: str, first_failure_s: float | None) -> None:
    """Note that a control was detected now."""
    path = cache_dir() / "controls.json"
    with locked(path.with_suffix(".lock")):
        data = _load()
        data[proof] = {"time": time.time(), "run_dir": run_dir,
                       "time_to_first_failure_s": first_failure_s}
        work = path.with_suffix(".new")
        work.write_text(json.dumps(data, indent=1))
        work.rename(path)


def proof(proof_key: str) -> dict[str, Any] | None:
    """The proof with its age in seconds, or None."""
    found = _load().get(proof_key)
    return None if found is None else {**found, "age_s": round(time.time() - found["time"])}

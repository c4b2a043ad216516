# SPDX-License-Identifier: GPL-2.0
"""Proven controls, remembered: a race that was never seen failing proves nothing by passing."""

import json
import time
from collections.abc import Mapping
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
    # Older ones do not tell what they are a proof of.
    return {entry: found for entry, found in data.items() if "options" in found}


def _of(proof_key: str, options: Mapping[str, str]) -> str:
    """The entry of a control that was run with a race's options."""
    return "|".join((proof_key, *(f"{name}={value}" for name, value in sorted(options.items()))))


def remember(proof_key: str, options: Mapping[str, str], run_dir: str,
             first_failure_s: float | None) -> None:
    """Note that a control, run with these options, was detected now."""
    path = cache_dir() / "controls.json"
    with locked(path.with_suffix(".lock")):
        data = _load()
        data[_of(proof_key, options)] = {"time": time.time(), "run_dir": run_dir,
                                         "options": dict(options),
                                         "time_to_first_failure_s": first_failure_s}
        work = path.with_suffix(".new")
        work.write_text(json.dumps(data, indent=1))
        work.rename(path)


def proof(proof_key: str, options: Mapping[str, str]) -> dict[str, Any] | None:
    """The proof with its age in seconds, or None.

    A control with the same options proves most. One with none ran the race whole, and is a proof
    for a part of it too, if a weaker one: `options` of the proof tell which it is. A control of
    one part says nothing of the others.
    """
    known = _load()
    found = known.get(_of(proof_key, options), known.get(_of(proof_key, {})))
    return None if found is None else {**found, "age_s": round(time.time() - found["time"])}

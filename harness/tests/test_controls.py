# SPDX-License-Identifier: GPL-2.0
"""What a proven control is a proof of."""

import json
from pathlib import Path

import pytest

from mmrace import controls
from mmrace.paths import cache_dir

KEY = controls.key("secondary-mmu", "6.12.1", "module", "race", "qemu/kvm-svm")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMRACE_CACHE", str(tmp_path))


def test_a_part_proves_itself_and_the_whole_proves_a_part() -> None:
    controls.remember(KEY, {"way": "kvm"}, "runs/1", 1.5)
    assert controls.proof(KEY, {}) is None
    assert controls.proof(KEY, {"way": "mirror"}) is None
    controls.remember(KEY, {}, "runs/2", 0.5)
    wanted: list[tuple[dict[str, str], str]] = [
        ({"way": "kvm"}, "runs/1"), ({"way": "mirror"}, "runs/2"),
        ({"way": "kvm", "change": "ksm"}, "runs/2"), ({}, "runs/2")]
    for options, run in wanted:
        found = controls.proof(KEY, options)
        assert found and found["run_dir"] == run
        assert found["options"] == ({"way": "kvm"} if run == "runs/1" else {})


def test_another_kind_of_machine_needs_its_own() -> None:
    controls.remember(KEY, {}, "runs/1", None)
    assert controls.proof(KEY.replace("kvm-svm", "default"), {}) is None


def test_a_proof_of_unknown_options_is_none() -> None:
    (cache_dir() / "controls.json").write_text(json.dumps(
        {KEY: {"time": 0, "run_dir": "runs/1", "time_to_first_failure_s": 1}}))
    assert controls.proof(KEY, {}) is None
    controls.remember(KEY, {}, "runs/2", 0.5)
    assert controls.proof(KEY, {})

# SPDX-License-Identifier: GPL-2.0
"""Exported guests under the labs' own tools: LAVA's schema, labgrid's driver with a real guest."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmrace import config, emulator
from mmrace.paths import TREE

pytestmark = pytest.mark.guest

SCHEMA = "/usr/share/lava-common/lava-schema.py"
MATRIX = """
[[cells]]
kernels = ["debian:bookworm"]
arches = ["x86_64"]
races = ["lost-write"]
modes = ["control", "widened"]
duration = { control = 2, widened = 5 }
"""
GUESTS = ("debian-bookworm-x86-64-default-controls", "debian-bookworm-x86-64-default-cells")


def export(engine: str, tmp_path: Path, *words: str) -> Path:
    """Export the matrix; the output directory."""
    matrix = tmp_path / "labs.toml"
    matrix.write_text(MATRIX)
    output = tmp_path / engine
    done = subprocess.run([str(TREE / "mmrace"), "export", engine, str(matrix), "--output",
                           str(output), "--seed", "7", *words], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


def schema_says(job: Path) -> subprocess.CompletedProcess[str]:
    """LAVA's own check of a job."""
    return subprocess.run([SCHEMA, "job", str(job)], capture_output=True, text=True, check=False)


def test_lava_takes_the_jobs(tmp_path: Path) -> None:
    output = export("lava", tmp_path, "--url", "http://127.0.0.1/jobs/")
    yaml: Any = importlib.import_module("yaml")
    for name in GUESTS:
        path = output / f"{name}.yaml"
        assert schema_says(path).returncode == 0
        job = yaml.safe_load(path.read_text())
        images = job["actions"][0]["deploy"]["images"]
        assert images["kernel"]["url"] == f"http://127.0.0.1/jobs/{name}/kernel"
        assert (output / name / "kernel").stat().st_size > 1 << 20
        del job["timeouts"]
        path.write_text(yaml.safe_dump(job))
        refused = schema_says(path)
        assert refused.returncode != 0 and "timeouts" in refused.stdout


def lava_results(job: Path, console: str) -> dict[str, str]:
    """What a job's monitor reads off a console, as lava_dispatcher's TestMonitorAction does."""
    yaml: Any = importlib.import_module("yaml")
    actions = yaml.safe_load(job.read_text())["actions"]
    assert actions[1]["boot"]["prompts"][0] in console
    monitor = actions[2]["test"]["monitors"][0]
    begin = re.search(monitor["start"], console)
    end = re.search(monitor["end"], console)
    assert begin and end
    return {match["test_case_id"]: monitor["fixupdict"][match["result"]]
            for match in re.finditer(monitor["pattern"], console[begin.end():end.start()])}


def test_labgrid_runs_the_cells(tmp_path: Path) -> None:
    arch = config.arch("x86_64")
    qemu = tmp_path / arch.qemu_binary
    # The first one aborts while the guest boots, as QEMU was seen to, and is started once more.
    # Its CPU time (in 1/100 s) tells a guest that boots from a QEMU that waits to be told "cont".
    qemu.write_text(f"""#!/bin/sh
mkdir {shlex.quote(str(tmp_path / "aborted"))} 2>/dev/null && {{
    until [ "$(cut -d " " -f 14 /proc/$$/stat)" -gt 100 ]; do sleep 0.1; done
    kill -ABRT $$
}} &
exec {shlex.join(emulator.command(arch))} "$@"
""")
    qemu.chmod(0o755)
    output = export("labgrid", tmp_path, "--qemu", str(tmp_path))
    jobs = export("lava", tmp_path)
    want = {GUESTS[0]: ("1 passed", {"lost-write.control": "pass"}),
            GUESTS[1]: ("1 failed", {"lost-write.widened": "fail"})}
    for name, (outcome, results) in want.items():
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "labgrid",
             "--lg-env", f"{name}.yaml", "--lg-log", "log", "test_cells.py"], cwd=output,
            capture_output=True, text=True, check=False,
            env={key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"})
        assert outcome in done.stdout, done.stdout
        if outcome == "1 failed":
            assert "the race ended with 1 where 0 is good; again with: ./mmrace run" in done.stdout
        logs = list((output / "log").glob("*"))
        console = "".join(log.read_text(errors="replace") for log in logs)
        assert lava_results(jobs / f"{name}.yaml", console) == results
        assert ("ended with -6 while the guest booted; booted once more" in done.stdout) == (
            name == GUESTS[0])
        for log in logs:
            log.unlink()

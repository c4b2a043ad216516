# SPDX-License-Identifier: GPL-2.0
"""What a race says that its rounds are exposed by: its programs, run on this machine."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mmrace import build, config


def end_of(race: str, home: Path, *options: str) -> dict[str, Any]:
    """The end record of a second of a race."""
    binary = build.races(config.arch(os.uname().machine)) / race
    done = subprocess.run([binary, "--mode", "natural", "--duration", "1", "--seed", "1", "--dir",
                           home, "--report-fd", "1", *options], capture_output=True, text=True,
                          check=True)
    records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    (end,) = [record for record in records if record["ev"] == "end"]
    return dict(end)


@pytest.mark.parametrize("change, counter", [("cold", "probe.tlb.flush"), ("fork", "probe.cow"),
                                             ("all", "probe.cow")])
def test_one_change_alone_is_exposed_by_what_it_does(change: str, counter: str,
                                                     tmp_path: Path) -> None:
    end = end_of("one-memory", tmp_path, "--change", change)
    assert end["status"] == "pass" and end["exposure"]["counter"] == counter

# SPDX-License-Identifier: GPL-2.0
"""Real logs of three architectures, each with what must be said of it, and logs to stay silent on.

The first line of a log names where it came from.  Those of Debian's kernels were made with
provoke/provoke.c or sysrq in an emulated guest; the list-* ones are from the kernel's lists.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest
from mmrace import splat

CORPUS = Path(__file__).parent / "corpus"
INDEX = tomllib.loads((CORPUS / "index.toml").read_text())
HARMLESS = sorted(path.name for path in (CORPUS / "harmless").glob("*.log"))


def log(name: str) -> list[str]:
    """The lines of a log without the one that names its source."""
    first, *lines = (CORPUS / name).read_text().splitlines()
    assert first.startswith("# source: ") and len(lines) <= 40
    return lines


@pytest.mark.parametrize("name", INDEX)
def test_a_real_failure_has_one_name(name: str) -> None:
    found = [[one.kind, one.verdict, one.signature] for one in splat.scan(log(name))]
    assert found == INDEX[name]["splats"]


@pytest.mark.parametrize("name", INDEX)
def test_time_stamps_and_callers_change_nothing(name: str) -> None:
    bare = [splat.title.strip(line) for line in log(name)]
    called = [f"<4>[  123.456789][ T1234] {line}" for line in bare]
    assert ([one.signature for one in splat.scan(bare)]
            == [one.signature for one in splat.scan(called)]
            == [one[2] for one in INDEX[name]["splats"]])


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_log_stays_silent(name: str) -> None:
    assert splat.scan(log(f"harmless/{name}")) == []


def test_the_corpus_is_large_enough_and_indexed() -> None:
    arches = Counter(name.split("/")[0] for name in INDEX)
    assert set(arches) == {"x86_64", "s390x", "ppc64le"} and min(arches.values()) >= 12
    assert sum(arches.values()) >= 40 and len(HARMLESS) >= 20
    files = {str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*.log")}
    assert files == set(INDEX) | {f"harmless/{name}" for name in HARMLESS}

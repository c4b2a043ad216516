# SPDX-License-Identifier: GPL-2.0
"""results.ktap under the kernel's own parser, tools/testing/kunit/kunit.py.

It comes with any kernel source: the one in MMRACE_KERNEL_SOURCE, or one that is in the cache.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmrace.paths import cache_dir
from mmrace.report import ktap

from .report_sample import many

PARSER = Path("tools/testing/kunit/kunit.py")


@pytest.fixture(name="source")
def source_fixture() -> Path:
    """A kernel source that has the parser."""
    given = os.environ.get("MMRACE_KERNEL_SOURCE")
    places = [Path(given)] if given else sorted(cache_dir().glob("trees/linux-source-*/src"))
    for place in places:
        if (place / PARSER).exists():
            return place
    pytest.skip("no kernel source here: set MMRACE_KERNEL_SOURCE to one")


def parse(source: Path, text: str, tmp_path: Path) -> dict[str, int]:
    """What kunit.py counted: passed, failed, skipped, errors..."""
    results = tmp_path / "results.ktap"
    results.write_text(text)
    done = subprocess.run([sys.executable, str(PARSER), "parse", str(results)], cwd=source,
                          capture_output=True, text=True, check=False)
    summary = re.search(r"Testing complete\. .*?: (.*)", done.stdout)
    assert summary, done.stdout + done.stderr
    return {name: int(count) for name, count in re.findall(r"(\w+): (\d+)", summary.group(1))}


def test_the_kernels_parser_reads_every_cell(source: Path, tmp_path: Path) -> None:
    cells = many(60)
    counts = parse(source, ktap.render(cells), tmp_path)
    verdicts = [cell["verdict"] for cell in cells]
    assert counts["passed"] == verdicts.count("PASS")
    assert sum(counts.values()) == len(cells) and "errors" not in counts


def test_the_kernels_parser_sees_what_is_missing(source: Path, tmp_path: Path) -> None:
    lines = ktap.render(many(60)).splitlines(keepends=True)
    last = max(index for index, line in enumerate(lines) if re.match(r"    (not )?ok ", line))
    assert parse(source, "".join(lines[:last] + lines[last + 1:]), tmp_path).get("errors")

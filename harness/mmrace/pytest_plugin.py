# SPDX-License-Identifier: GPL-2.0
"""The cells of a matrix as pytest tests: `pytest -p mmrace.pytest_plugin configs/matrix/NAME.toml`.

-k, -m and xdist's -n work as ever; a cell is named by its kernel, architecture, race and mode, and
carries its theme's parts as keywords. A cell passes when its verdict is a failure that is expected
on its kernel, or PASS; it is skipped, with the reason, where nothing may be concluded.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mmrace.cell import Cell
from mmrace.commands.matrix import cells_of
from mmrace.errors import MmraceError
from mmrace.expectations import as_expected
from mmrace.paths import CONFIGS
from mmrace.progress import Progress
from mmrace.session import Session
from mmrace.store import Run
from mmrace.verdict import Verdict


class UnexpectedVerdict(Exception):
    """A cell's verdict is not among the expected ones."""


class CellItem(pytest.Item):
    """One cell as a test, in a boot of its own."""

    cell: Cell

    def runtest(self) -> None:
        """Run the cell and compare it with what is expected."""
        run = Run.create(["pytest", self.nodeid])
        progress = Progress(Console(stderr=True))
        try:
            record = next(iter(Session(run, progress).cells([self.cell])))
        finally:
            progress.close()
        self.user_properties += [("verdict", record["verdict"]), ("replay", record["replay"]),
                                 ("run_dir", record["run_dir"])]
        verdict = Verdict(record["verdict"])
        if not as_expected(record):
            raise UnexpectedVerdict(self._message(record))
        if verdict in (Verdict.INCONCLUSIVE, Verdict.SKIP):
            pytest.skip(f"{verdict}: {record['reason']}")

    @staticmethod
    def _message(record: dict[str, Any]) -> str:
        expected = record["expected"] or {"verdicts": [], "reason": "nothing could run"}
        return (f"{record['verdict']}: {record['reason']}\n"
                f"expected: {' or '.join(expected['verdicts'])}: {expected['reason']}\n"
                f"replay: {record['replay']}\nevidence: {record['run_dir']}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException],
                     style: Any = None) -> Any:
        """A verdict or a user's error needs no traceback."""
        if isinstance(excinfo.value, (UnexpectedVerdict, MmraceError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the cell is from."""
        return self.path, None, f"cell: {self.name}"


class MatrixFile(pytest.File):
    """A file of configs/matrix/."""

    def collect(self) -> Iterator[CellItem]:
        """One item a cell."""
        try:
            cells = cells_of(self.path, seed=self.config.getoption("mmrace_seed"))
        except MmraceError as error:
            raise pytest.UsageError(str(error)) from None
        for cell in cells:
            item: CellItem = CellItem.from_parent(self, name=cell.name)
            item.cell = cell
            item.add_marker(pytest.mark.guest)
            item.extra_keyword_matches |= {cell.race, cell.mode, cell.arch, cell.kernel}
            yield item


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare --mmrace-seed."""
    parser.addoption("--mmrace-seed", type=int, default=1, dest="mmrace_seed",
                     help="seed of the cells' plans (default: 1, so that every xdist worker "
                          "collects the same)")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for runs outside of harness/."""
    config.addinivalue_line("markers", "guest: boots a real guest")


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> MatrixFile | None:
    """Matrix files are test files."""
    if file_path.suffix == ".toml" and file_path.parent == CONFIGS / "matrix":
        collected: MatrixFile = MatrixFile.from_parent(parent, path=file_path)
        return collected
    return None

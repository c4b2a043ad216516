# SPDX-License-Identifier: GPL-2.0
"""The module's arithmetic in a guest: windows, histograms, findings, targets."""

from pathlib import Path

import pytest

from tests.guest_programs import GUESTS, guest

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("kernel,arch,variant", GUESTS)
def test_tables_and_budgets(kernel: str, arch: str, variant: str, tmp_path: Path) -> None:
    with guest(kernel, arch, ["tables"], tmp_path, variant=variant) as machine:
        status, lines = machine.run(["tables"], 240)
        print("\n".join(lines))
        assert status == 0, "\n".join(lines)
        assert machine.splats() == []

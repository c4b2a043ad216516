# SPDX-License-Identifier: GPL-2.0
"""labgrid environments: one a guest, and a test file that reads its console cell by cell.

Tried with labgrid 0.4.1 (Debian 12), whose QEMUDriver has no initrd: it is an extra argument.
"""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from mmrace.export.guests import (BETWEEN_S, BOOT_S, FIRST_WORD, GOOD, LAST_WORD, Guest,
                                  cell_id, cell_seconds)
from mmrace.export.text import yaml_text

TESTS = Path(__file__).with_name("labgrid_cells.py")


def environment(guest: Guest, output: Path, qemu: str) -> dict[str, Any]:
    """The environment of a guest; `qemu` is the emulator's path."""
    machine = guest.machine()
    extra = shlex.join(word for option in guest.options() for word in option)
    return {
        "targets": {"main": {"drivers": {"QEMUDriver": {
            "qemu_bin": "qemu", "machine": machine["machine"], "cpu": machine["cpu"],
            "memory": f"{guest.variant.memory_mib}M", "kernel": "kernel",
            "boot_args": guest.append,
            "extra_args": f"-initrd {shlex.quote(str(output / guest.initrd))} {extra}"}}}},
        "images": {"kernel": str(output / guest.kernel)},
        "tools": {"qemu": qemu},
    }


def write(guest: Guest, output: Path, qemu: str) -> Path:
    """Write the guest's environment, its cells, and the test file that all share."""
    path = output / f"{guest.name}.yaml"
    path.write_text(yaml_text(environment(guest, output.resolve(), qemu)))
    cells = [{"name": cell_id(cell), "seconds": cell_seconds(cell), "replay": cell.replay(),
              "good": GOOD[cell.mode == "control"]} for cell in guest.cells]
    (output / f"{guest.name}.json").write_text(json.dumps(
        {"first_word": FIRST_WORD, "last_word": LAST_WORD, "boot_s": BOOT_S,
         "between_s": BETWEEN_S, "cells": cells}, indent=1) + "\n")
    shutil.copy(TESTS, output / "test_cells.py")
    return path

# SPDX-License-Identifier: GPL-2.0
"""Writing a view whole or not at all: a report that was cut short must not look like one."""

from pathlib import Path


def write(path: Path, text: str) -> Path:
    """Replace PATH by TEXT and return it."""
    work = path.with_name(f".{path.name}.new")
    work.write_text(text, encoding="utf-8", errors="replace")
    work.replace(path)
    return path

# SPDX-License-Identifier: GPL-2.0
"""./mmrace list: what there is."""

import argparse
import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from mmrace import build, config

HELP = "list races, kernels, machine variants"
EPILOG = """\
examples:
  ./mmrace list races
  ./mmrace list races --json
"""


def races(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every race, as it describes itself."""
    home = build.races(config.arch(os.uname().machine))
    return [json.loads(subprocess.run([str(home / name), "--describe"], check=True,
                                      stdout=subprocess.PIPE).stdout)
            for name in build.race_names()]


def kernels(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every kernel id and its architectures."""
    return [{"id": f"debian:{suite}", "arches": list(arches)}
            for suite, arches in config.debian_suites().items()]


def machines(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every machine variant."""
    return [{"name": variant.name, "arches": list(variant.arches), "vcpus": variant.vcpus,
             "memory_mib": variant.memory_mib, "append": variant.append}
            for variant in config.variants().values()]


Lister = Callable[[argparse.Namespace], list[dict[str, Any]]]
WHAT: dict[str, Lister] = {"races": races, "kernels": kernels, "machines": machines}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("what", choices=tuple(WHAT))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _cell_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(item if isinstance(item, str) else str(item.get("name", item))
                         for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return "" if value is None else str(value)


def main(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    items = WHAT[args.what](args)
    if args.json:
        for item in items:
            print(json.dumps(item))
        return 0
    table = Table(*(items[0] if items else ()))
    for item in items:
        table.add_row(*map(_cell_text, item.values()))
    Console().print(table)
    return 0

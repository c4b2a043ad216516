# SPDX-License-Identifier: GPL-2.0
"""./mmrace list: what there is."""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console

from mmrace import build, config, hosts, listing
from mmrace.cell import Place
from mmrace.errors import UsageError
from mmrace.module_guest import module_on
from mmrace.module_view import ModuleView
from mmrace.mutants import mutants as all_mutants
from mmrace.paths import runs_dir
from mmrace.report import print_runs
from mmrace.report.sqlite_index import Index, RunSummary

HELP = ("list races, kernels, machine variants, hosts, mutants, runs, and what the module has on a "
        "kernel")
EPILOG = """\
examples:
  ./mmrace list races
  ./mmrace list races --json
  ./mmrace list probes --kernel debian:trixie --arch s390x --json
"""


def races(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every race, as it describes itself."""
    return list(build.described().values())


def kernels(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every kernel id and its architectures."""
    return [{"id": f"debian:{name}", "arches": list(kernel.arches)}
            for name, kernel in config.debian_kernels().items()]


def machines(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every machine variant."""
    return [{"name": variant.name, "arches": list(variant.arches), "vcpus": variant.vcpus,
             "memory_mib": variant.memory_mib, "accel": variant.accel,
             "append": variant.append, "modules": list(variant.modules),
             "qemu_args": list(variant.qemu_args), "emulator": variant.emulator}
            for variant in config.variants().values()]


def ssh_hosts(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every host of configs/hosts.toml."""
    return [asdict(host) for host in hosts.hosts().values()]


@contextmanager
def _module(args: argparse.Namespace) -> Iterator[ModuleView]:
    """The module, loaded on a guest that runs the kernel that was named."""
    if not args.kernel:
        raise UsageError(f"list {args.what} needs --kernel, such as debian:bookworm: what there "
                         "is depends on the kernel")
    with module_on(Place("qemu", args.kernel, args.arch, args.variant)) as module:
        yield module


def probes(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every probe of the module on one kernel."""
    with _module(args) as module:
        return [asdict(probe) for probe in module.probes()]


def windows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every window of the module on one kernel."""
    with _module(args) as module:
        return module.table("windows")


def checkers(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every checker of the module on one kernel."""
    with _module(args) as module:
        return module.table("checkers")


def plants(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every plant of the module on one kernel."""
    with _module(args) as module:
        return module.table("plants")


def mutants(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every mutant."""
    return [mutant.record() for mutant in all_mutants().values()]


def runs(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Every run below runs/, from the index."""
    if not runs_dir().is_dir():
        return []
    with Index(runs_dir()) as index:
        index.refresh()
        return [asdict(run) for run in index.list_runs()]


Lister = Callable[[argparse.Namespace], list[dict[str, Any]]]
ON_A_KERNEL: dict[str, Lister] = {
    "probes": probes, "windows": windows, "checkers": checkers, "plants": plants,
}
WHAT: dict[str, Lister] = {
    "races": races, "kernels": kernels, "machines": machines, "hosts": ssh_hosts, "runs": runs,
    "mutants": mutants, **ON_A_KERNEL,
}
# What has too many fields for a line.
PARAGRAPHS = ("races", "machines", "hosts", "mutants")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("what", choices=tuple(WHAT))
    parser.add_argument("--kernel", help="for what the module has: the kernel to boot")
    parser.add_argument("--arch", default=os.uname().machine,
                        help="its architecture (default: %(default)s)")
    parser.add_argument("--machine", default="default", dest="variant", metavar="VARIANT",
                        help="its machine variant (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def main(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    if args.kernel and args.what not in ON_A_KERNEL:
        raise UsageError(f"list {args.what} is the same for every kernel: leave --kernel out "
                         f"(it is for {', '.join(ON_A_KERNEL)})")
    items = WHAT[args.what](args)
    console = Console()
    if args.json:
        for item in items:
            print(json.dumps(item))
    elif not items:
        console.print(f"no {args.what}", highlight=False)
    elif args.what == "runs":
        print_runs([RunSummary(**item) for item in items], console)
    elif args.what in PARAGRAPHS:
        listing.print_paragraphs(items, console)
    else:
        listing.print_lines(items, console)
    return 0

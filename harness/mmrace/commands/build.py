# SPDX-License-Identifier: GPL-2.0
"""./mmrace build: fetch kernels and build what runs on them, without running anything."""

import argparse
import os

from mmrace import build, config, emulator_build, kernels
from mmrace.commands import common
from mmrace.errors import MmraceError, UsageError
from mmrace.progress import Progress

HELP = "fetch kernels and build module, races and agent for them"
EPILOG = """\
examples:
  ./mmrace build --kernel debian:bookworm --arch x86_64
  ./mmrace build --all --sparse
  ./mmrace build --emulator s390x-edat
  ./mmrace build --kernel source:trixie+debug --kernel tree:linux@v6.9
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--kernel", action="append", default=[], help=kernels.FORMS)
    parser.add_argument("--arch", action="append", default=[],
                        help="architecture of --kernel; may be given again (default: this "
                             "machine's)")
    parser.add_argument("--all", action="store_true",
                        help="every kernel and architecture of configs/kernels.toml")
    parser.add_argument("--emulator", metavar="NAME", default=None,
                        help="build an emulator of configs/emulators.toml from Debian's source "
                             "(minutes; nothing else is built)")
    parser.add_argument("--sparse", action="store_true",
                        help="run sparse over the module; its warnings are errors")


def _check(args: argparse.Namespace) -> None:
    """Refuse options of which one would be ignored."""
    if bool(args.kernel) + args.all + bool(args.emulator) != 1:
        raise UsageError("say what to build with one of --kernel, --all and --emulator")
    if args.arch and not args.kernel:
        raise UsageError("--arch is for --kernel: leave it out")
    if args.sparse and args.emulator:
        raise UsageError("--sparse is for the module: leave it out with --emulator")


def _wanted(args: argparse.Namespace) -> list[tuple[str, str]]:
    if args.all:
        return [(f"debian:{name}", arch) for name, kernel in config.debian_kernels().items()
                for arch in kernel.arches]
    arches = args.arch or [os.uname().machine]
    chosen = [(kernel, arch) for kernel in args.kernel for arch in arches]
    for kernel, arch in chosen:
        kernels.parse_id(kernel, config.arch(arch))
    return chosen


def main(args: argparse.Namespace) -> int:
    """Build; 0 when everything did, else the exit code of what failed last."""
    _check(args)
    console = common.console_for(False)
    progress = Progress(console)
    if args.emulator:
        with progress.step(f"emulator {args.emulator}"):
            binary = emulator_build.build(args.emulator)
        progress.close()
        console.print(f"ok     {args.emulator}: {binary}", highlight=False, soft_wrap=True)
        return 0
    failed = 0
    for kernel_id, arch_name in _wanted(args):
        arch = config.arch(arch_name)
        try:
            with progress.step(f"kernel {kernel_id} {arch_name}"):
                kernel = kernels.resolve(kernel_id, arch)
            for note in kernel.notes:
                progress.say(f"{kernel_id}: {note}")
            with progress.step(f"races and agent for {arch_name}"):
                build.races(arch)
                build.agent(arch)
            with progress.step(f"mmrace.ko for {kernel.release} {arch_name}"):
                built = build.module(kernel, sparse=args.sparse)
        except MmraceError as error:
            failed = error.exit_code
            progress.close()
            console.print(f"FAILED {kernel_id} {arch_name}: {error}", highlight=False,
                          markup=False, soft_wrap=True)
            continue
        progress.close()
        console.print(f"ok     {kernel_id} {arch_name} {kernel.version}: {built.path}",
                      highlight=False, soft_wrap=True)
    return failed

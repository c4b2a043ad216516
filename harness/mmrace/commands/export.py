# SPDX-License-Identifier: GPL-2.0
"""./mmrace export: a matrix for the engines that labs run."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from mmrace import config
from mmrace.boots import Preparation
from mmrace.commands import common
from mmrace.commands.matrix import cells_of, find
from mmrace.errors import UsageError
from mmrace.export import guests, labgrid, lava
from mmrace.progress import Progress

HELP = "describe a matrix for a lab's engine: LAVA jobs, labgrid environments"
EPILOG = """\
For each kernel and machine of the matrix a kernel and an initramfs are written that run its cells
without anybody's help, and a job that boots them and reads the console. Controls have a boot of
their own. What such a job reports is the race's own pass, fail or skip.

examples:
  ./mmrace export lava quick --output jobs --url http://files.example.org/jobs
  lavacli jobs submit jobs/debian-trixie-s390x-default-cells.yaml
  ./mmrace export labgrid quick --output lab
  pytest --lg-env lab/debian-trixie-x86-64-default-cells.yaml lab/test_cells.py
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("engine", choices=("lava", "labgrid"))
    parser.add_argument("matrix", help="a file of configs/matrix/, by path or by name")
    parser.add_argument("--output", required=True, metavar="DIR",
                        help="a directory, made if it is not there")
    parser.add_argument("--seed", type=common.seed, default=None,
                        help="the plan's seed (default: a new one)")
    parser.add_argument("--url", default=None,
                        help="lava: where the dispatcher finds DIR (default: file:// and its path)")
    parser.add_argument("--device-type", default="qemu",
                        help="lava: the lab's device type for QEMU (default: %(default)s)")
    parser.add_argument("--qemu", metavar="DIR", default="/usr/bin",
                        help="labgrid: where the emulators are (default: %(default)s)")


def main(args: argparse.Namespace) -> int:
    """Write everything; 0 when all of the matrix is in it."""
    url = args.url if args.url is not None else Path(args.output).resolve().as_uri()
    if not urlsplit(url).scheme:
        raise UsageError(f"--url takes an URL such as http://files.example.org/jobs, not '{url}'")
    console = common.console_for(False)
    seed = common.default_seed() if args.seed is None else args.seed
    cells = cells_of(find(args.matrix), seed, allow_plants=True)
    wanted = [cell for cell in cells if cell.on == "qemu"
              and not config.variant(cell.variant, cell.arch).emulator]
    if not wanted:
        raise UsageError(f"{args.matrix} has no cell that a packaged QEMU runs, and only such "
                         "guests are exported")
    output = Path(args.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {output} cannot be made: {error.strerror}; name another "
                         "directory") from None
    progress = Progress(console)
    try:
        for guest in guests.make(wanted, output, Preparation(progress)):
            if args.engine == "lava":
                path = lava.write(guest, output, url.rstrip("/"), args.device_type)
            else:
                path = labgrid.write(guest, output, f"{args.qemu}/{guest.arch.qemu_binary}")
            progress.say(f"{path}: {len(guest.cells)} cells")
    finally:
        progress.close()
    if len(wanted) < len(cells):
        console.print(f"left out: {len(cells) - len(wanted)} cells of real machines, or of "
                      "emulators that are built here", highlight=False)
    return 0

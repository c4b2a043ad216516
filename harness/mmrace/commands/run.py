# SPDX-License-Identifier: GPL-2.0
"""./mmrace run: one race on one kernel and machine; exit codes made for git bisect run."""

import argparse
import os
from typing import Any

from mmrace import build, hosts
from mmrace.cell import MODES, Cell
from mmrace.commands import common
from mmrace.errors import UsageError
from mmrace.kernels import FORMS
from mmrace.machines.qemu import VMCORES
from mmrace.verdict import Verdict, exit_code

HELP = "run one race (or all) on one kernel"
EPILOG = """\
exit codes: 0 PASS; 1 a failure was seen (RACE, FINDING, SPLAT, PANIC, HANG), expected or not;
2 usage; 125 could not tell (INCONCLUSIVE, SKIP); 128 and up infrastructure; 130 interrupted.
They are what `git bisect run` understands; it wants --clean-is-good, or it skips every clean
commit, since no race's control is proven on a kernel that was just built.

examples:
  ./mmrace run --kernel debian:bookworm --race lost-write --mode widened --duration 20
  ./mmrace run --kernel debian:bookworm --arch ppc64le --race lost-write --json
  ./mmrace run --kernel debian:trixie --race lost-write --boots 10
  ./mmrace run --kernel debian:sid --checkers --mode widened --duration 5
  ./mmrace run --kernel debian:bookworm --race lost-write --no-module
  git bisect run ./mmrace run --kernel tree:. --race lost-write --clean-is-good
  ./mmrace run --on local --race lost-write --dir /mnt/scratch
  ./mmrace run --on ssh:db7 --race stale-translation --mode widened
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--on", default="qemu", metavar="MACHINE",
                        help="the machine: qemu, an emulated guest (default); local, this one; "
                             "ssh:NAME, a host of configs/hosts.toml")
    parser.add_argument("--kernel", default=None,
                        help=FORMS)
    parser.add_argument("--arch", default=None,
                        help="architecture as uname -m says it (default: this machine's, or the "
                             "host's)")
    parser.add_argument("--machine", default="default", dest="variant", metavar="VARIANT",
                        help="machine variant of configs/machines.toml (default: %(default)s)")
    parser.add_argument("--race", action="append", default=None,
                        help="a race of stress/races/; may be given again (default: all)")
    parser.add_argument("--mode", choices=MODES, default="natural",
                        help="natural: nothing is delayed; widened: the module widens the race's "
                             "windows; control: the module plants the bug that the race must "
                             "detect (default: %(default)s)")
    parser.add_argument("--duration", type=common.positive(float), default=20.0,
                        help="seconds of rounds (default: %(default)s)")
    parser.add_argument("--seed", type=common.seed, default=None,
                        help="the plan's seed (default: a new one, printed)")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE",
                        help="an option of the race's own; may be given again")
    parser.add_argument("--checkers", action="store_true",
                        help="judge every law that the module knows (./mmrace list checkers); a "
                             "breach is a FINDING, and each judgement costs the race time")
    parser.add_argument("--no-module", dest="module", action="store_false",
                        help="leave mmrace.ko out of the guest: what fails then, fails without "
                             "us. Exposure is not counted")
    parser.add_argument("--boots", type=common.positive(int), default=1,
                        help="run the cell in that many fresh boots, the seed counting up")
    parser.add_argument("--dir", default=None,
                        help="the races' scratch directory on the machine (a guest has its own)")
    parser.add_argument("--vmcore", choices=tuple(VMCORES), default="",
                        help="keep the memory of a guest that panics or hangs, as boots/N/vmcore: "
                             "kdump for crash, compressed; elf for drgn and crash, as large as "
                             "the guest's memory")
    parser.add_argument("--clean-is-good", action="store_true",
                        help="exit 0 also where a PASS lacks nothing but a proven control; the "
                             "verdict stays INCONCLUSIVE")
    common.add_plants_option(parser)
    parser.add_argument("--json", action="store_true",
                        help="one JSON object a cell on stdout, everything else on stderr")


def check_machine(args: argparse.Namespace) -> None:
    """Refuse options that make no sense for the kind of machine."""
    if args.vmcore and args.on != "qemu":
        raise UsageError(f"--vmcore keeps a guest's memory; {args.on} is none: leave --vmcore out")
    if not args.module and args.on != "qemu":
        raise UsageError(f"--no-module is for guests; on {args.on} unload the module: rmmod mmrace")
    for option, given in ((f"--mode {args.mode}", args.mode != "natural"),
                          ("--checkers", args.checkers)):
        if given and not args.module:
            raise UsageError(f"{option} is the module's work: leave it or --no-module out")


def cells_of(args: argparse.Namespace) -> list[Cell]:
    """The cells that the options name."""
    if args.kernel is None:
        if args.on == "qemu":
            raise UsageError("--kernel is missing; name one as debian:SUITE, such as "
                             "debian:bookworm")
        args.kernel = "running"
    host = hosts.of_machine(args.on)
    args.arch = args.arch or (host.arch if host else os.uname().machine)
    seed = common.default_seed() if args.seed is None else args.seed
    options = common.parse_options(args.option)
    return [Cell(kernel=args.kernel, arch=args.arch, race=race, mode=args.mode,
                 duration=args.duration, seed=seed + boot, on=args.on, variant=args.variant,
                 options=options, checkers=args.checkers, module=args.module)
            for boot in range(args.boots) for race in args.race or build.race_names()]


def lacks_only_a_control(record: dict[str, Any]) -> bool:
    """Whether a cell that is no control reached its exposure, and nothing failed."""
    exposure = record["exposure"]
    return (record["verdict"] == Verdict.INCONCLUSIVE and record["mode"] != "control"
            and bool(exposure and exposure["counter"]) and exposure["count"] >= exposure["min"])


def main(args: argparse.Namespace) -> int:
    """Run the cells; the exit code says what was seen."""
    check_machine(args)
    cells = cells_of(args)
    records, _, complete = common.run_cells(cells, json_output=args.json, scratch=args.dir,
                                            fresh_boots=args.boots > 1,
                                            allow_plants=args.allow_plants,
                                            vmcore=args.vmcore)
    if not complete:
        return common.EXIT_INTERRUPTED
    return exit_code([Verdict.PASS if args.clean_is_good and lacks_only_a_control(record)
                      else Verdict(record["verdict"]) for record in records])

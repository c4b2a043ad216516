# SPDX-License-Identifier: GPL-2.0
"""./mmrace bisect: name the kernel or commit that brought, or fixed, an intermittent failure."""

import argparse
import os
import sys
import time
from typing import Any

from rich.console import Console

from mmrace import config
from mmrace.bisect import cli as engine
from mmrace.bisect.graph import Graph
from mmrace.bisect.runner import Runner
from mmrace.bisect.settings import Built, Kind, Outcome
from mmrace.cell import MODES, Cell
from mmrace.commands import common
from mmrace.errors import MmraceError, UsageError
from mmrace.kernels import parse_id
from mmrace.progress import Progress
from mmrace.session import Session
from mmrace.store import Run
from mmrace.verdict import Verdict

HELP = "name the kernel or commit that brought, or fixed, an intermittent failure"
EPILOG = """\
exit codes: 0 named; 3 a set only; 4 no change between good and bad; 5 undecided; 2 usage.

examples:
  ./mmrace bisect --kernels debian:bookworm,debian:trixie,debian:sid --race lost-write --find fix \\
      --mode widened --duration 5
  ./mmrace bisect --tree linux --good v6.1 --bad v6.2 --run 'make -s && ./try-once'
  ./mmrace bisect --calibrate --trials 100 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    engine.add_arguments(parser)
    race = parser.add_argument_group("trying kernels with a race (one fresh boot a trial)")
    race.add_argument("--kernels", metavar="K1,K2,...", help="package kernels, oldest first")
    race.add_argument("--race", help="the race whose data oracle is the failure")
    race.add_argument("--arch", default=os.uname().machine)
    race.add_argument("--machine", default="default", dest="variant", metavar="VARIANT")
    race.add_argument("--mode", choices=MODES[:2], default="natural")
    race.add_argument("--duration", type=common.positive(float), default=10.0,
                      help="seconds of rounds in one trial (default: %(default)s)")


# Only the race's own data oracle is the failure that is searched; another failure is another bug.
# A boot that was not exposed enough is no evidence of soundness.
KINDS = {Verdict.RACE: Kind.FAIL, Verdict.PASS: Kind.PASS, Verdict.INFRA: Kind.INFRA}


def kind_of(record: dict[str, Any]) -> Kind:
    """What one trial's record says to the search."""
    verdict = Verdict(record["verdict"])
    exposure = record["exposure"]
    if verdict is Verdict.INCONCLUSIVE and exposure and exposure["count"] >= exposure["min"]:
        return Kind.PASS
    return KINDS.get(verdict, Kind.OTHER)


class KernelRunner(Runner):
    """Boots package kernels and runs one race; only its data oracle counts as the failure."""

    # A package kernel that was fetched once is there for every later trial.
    build_command = None

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._seed = args.seed
        self._session = Session(Run.create(["./mmrace", *sys.argv[1:]]),
                                Progress(Console(stderr=True, quiet=True)), fresh_boots=True)

    def _cell(self, kernel: str) -> Cell:
        args = self._args
        return Cell(kernel=kernel, arch=args.arch, race=args.race, mode=args.mode,
                    duration=args.duration, seed=self._seed, variant=args.variant)

    def build(self, commit: str) -> Built:
        """Fetch the kernel and build module and races for it."""
        started = time.monotonic()
        try:
            self._session.prepared.image(self._cell(commit).place)
        except MmraceError as error:
            return Built(ok=False, cost=time.monotonic() - started, detail=str(error))
        return Built(ok=True, cost=time.monotonic() - started)

    def trial(self, commit: str) -> Outcome:
        """One boot, with a seed that no other trial has; its cost is its time in seconds."""
        self._seed += 1
        started = time.monotonic()
        record = next(iter(self._session.cells([self._cell(commit)])))
        kind = kind_of(record)
        return Outcome(kind, cost=time.monotonic() - started,
                       exposure=1.0 if kind is Kind.PASS else 0.0, detail=record["reason"])


def _kernel_runner(args: argparse.Namespace, _: Graph) -> Runner:
    return KernelRunner(args)


def main(args: argparse.Namespace) -> int:
    """Search; the exit code says how far it came."""
    if not args.kernels:
        if args.race and not args.run:
            raise UsageError("bisect needs --kernels K1,K2,... with --race, or --tree with --run")
        return engine.main(args)
    if not args.race:
        raise UsageError("bisect --kernels needs --race")
    common.check_race(args.race)
    config.variant(args.variant, args.arch)
    args.list = args.kernels
    for kernel in args.kernels.split(","):
        parse_id(kernel, config.arch(args.arch))
    names = args.kernels.split(",")
    args.good = args.good or (names[0] if args.find == "regression" else names[-1])
    args.bad = args.bad or (names[-1] if args.find == "regression" else names[0])
    return engine.main(args, _kernel_runner)

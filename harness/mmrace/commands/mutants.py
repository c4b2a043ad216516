# SPDX-License-Identifier: GPL-2.0
"""./mmrace mutants: what the suite finds of bugs that were put back."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mmrace import config, mutants, mutants_hunt, mutants_view
from mmrace.commands import common
from mmrace.errors import TreeBuildError, UsageError
from mmrace.kernels import DEFAULT_SCENARIO, parse_id
from mmrace.mutants import Campaign, Mutant, Plan, Trial
from mmrace.mutants_hunt import Hunt
from mmrace.progress import Progress
from mmrace.report import runs as runs_of
from mmrace.session import Session
from mmrace.store import Run

HELP = "build kernels with known bugs put back and see what finds them"
EPILOG = """\
Every mutant's races run natural, then widened, and first on the kernel without the patch. --from
makes one matrix of the run directories of several runs.

A --patch is hunted: all races, those first whose known bugs are nearest to what it changes, until
one finds it and is silent on the tree without it. --every-race goes on to the end. Of a kernel that
does not build or boot nothing can be said.

exit codes: 0 every mutant that could be judged was found and nothing on the unmutated kernel; 1 not
so; 2 usage; 125 nothing could be judged; 128 and up infrastructure; 130 interrupted.

examples:
  ./mmrace mutants
  ./mmrace mutants mremap-late-flush --boots 3 --json
  ./mmrace mutants --arch ppc64le --budget 1800
  ./mmrace mutants --base bookworm mprotect-unflushed
  ./mmrace mutants --patch my.patch --tree linux --json
  ./mmrace mutants --patch my.patch --tree linux@v6.12 --race stale-translation --boots 5
  ./mmrace mutants --arch s390x --boots 3 --doc docs/mutants/s390x-trixie.md
  ./mmrace mutants --from runs/20261121-080000 runs/20261121-090000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants (default: all)")
    parser.add_argument("--arch", action="append", default=[],
                        help="architecture; may be given again (default: this machine's)")
    parser.add_argument("--base", metavar="SUITE",
                        help="whose linux-source the bugs are put into (default: each mutant's)")
    parser.add_argument("--patch", type=Path, metavar="FILE", help="a bug of your own, as a patch")
    parser.add_argument("--tree", metavar="PATH[@REV]", help="the kernel tree that --patch is for")
    parser.add_argument("--scenario", help=f"of --tree (default: {DEFAULT_SCENARIO})")
    parser.add_argument("--machine", metavar="VARIANT",
                        help="machine variant for --tree (default: default)")
    parser.add_argument("--race", action="append", default=[],
                        help="race instead of the mutants' own; may be given again (--patch "
                             "without it: all races)")
    parser.add_argument("--every-race", action="store_true",
                        help="with --patch: all races, whatever was found before")
    parser.add_argument("--mode", action="append", choices=mutants.MODES, default=[],
                        help="may be given again (default: natural, then widened)")
    parser.add_argument("--duration", type=common.positive(float), default=20.0,
                        help="seconds of rounds a race and mode (default: %(default)s)")
    parser.add_argument("--boots", type=common.positive(int), default=1,
                        help="fresh boots of each kernel (default: %(default)s)")
    parser.add_argument("--seed", type=common.seed, default=None,
                        help="the plan's seed (default: new)")
    parser.add_argument("--budget", type=common.positive(float), default=None,
                        help="seconds after which no further kernel is begun")
    parser.add_argument("--resume", nargs="+", type=Path, default=[], metavar="RUN",
                        help="do not run again what could be judged in these run directories")
    parser.add_argument("--from", dest="runs", nargs="+", type=Path, metavar="RUN",
                        help="run nothing; take the rows of these run directories")
    parser.add_argument("--doc", type=Path, metavar="FILE", help="write the matrix as a page")
    parser.add_argument("--json", action="store_true", help="one JSON object a row on stdout")


def _wanted(args: argparse.Namespace, arches: list[str]) -> list[Mutant]:
    if args.patch is None and args.tree is None:
        for given, name in ((args.scenario, "--scenario"), (args.machine, "--machine"),
                            (args.every_race, "--every-race")):
            if given:
                raise UsageError(f"{name} goes with --patch and --tree; a mutant's record has its "
                                 "own")
        wanted = mutants.find(args.names, args.base)
        if not any(arch in mutant.arches for mutant in wanted for arch in arches):
            raise UsageError(f"none of these mutants is for {', '.join(arches)}")
        return wanted
    if args.patch is None or args.tree is None:
        raise UsageError("--patch FILE and --tree PATH go together")
    if args.names or args.base:
        raise UsageError("--patch takes no names of mutants, and no --base")
    if not args.patch.is_file():
        raise UsageError(f"no such patch: {args.patch}")
    mutant = Mutant(name=args.patch.stem, source=f"tree:{args.tree}", patch=args.patch,
                    arches=tuple(arches), scenario=args.scenario or DEFAULT_SCENARIO,
                    machine=args.machine or "default", trials=mutants_hunt.ranked(args.patch))
    for arch in arches:
        parse_id(mutant.kernel, config.arch(arch))
        config.variant(mutant.machine, arch)
    return [mutant]


def stored(runs: list[Path]) -> list[dict[str, Any]]:
    """The rows of run directories. A cell that a later one has run again counts as it was then,
    and of one directory a record's last state."""
    cells: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        path = run / "results.ndjson"
        if not path.is_file():
            raise UsageError(f"{run} has no results.ndjson: not a run directory")
        last = {record["cell"]: record for record in runs_of.lines(path)}
        own: dict[str, list[dict[str, Any]]] = {}
        for record in last.values():
            own.setdefault(record["name"], []).append(record)
        cells.update(own)
    return mutants.rows_of(record for records in cells.values() for record in records)


def _rows(wanted: list[Mutant], arches: list[str], campaign: Campaign,
          hunt: Callable[[Mutant, str], Hunt] | None) -> Iterator[dict[str, Any]]:
    for arch in arches:
        if hunt:
            yield from hunt(wanted[0], arch).run()
        else:
            yield from campaign.run(wanted, arch)


def _run(args: argparse.Namespace, progress: Progress) -> tuple[list[dict[str, Any]], bool]:
    arches = args.arch or [os.uname().machine]
    for arch in arches:
        config.arch(arch)
    wanted = _wanted(args, arches)
    for race in args.race:
        common.check_race(race)
    plan = Plan(duration=args.duration, boots=args.boots,
                seed=common.default_seed() if args.seed is None else args.seed,
                modes=tuple(args.mode) or mutants.MODES, budget=args.budget,
                trials=tuple(Trial(race) for race in args.race))
    done = stored(args.resume)
    run = Run.create(["./mmrace", *sys.argv[1:]])
    session = Session(run, progress)
    campaign = Campaign(session, plan, progress.say, done)
    hunt = (partial(Hunt, session, plan, progress.say) if args.patch and not args.every_race
            else None)
    rows: list[dict[str, Any]] = []
    try:
        for row in _rows(wanted, arches, campaign, hunt):
            rows.append(row)
            if args.json:
                print(json.dumps(row), flush=True)
    except KeyboardInterrupt:
        return rows, False
    finally:
        progress.close()
        progress.say(f"records, logs, counters: {run.home}")
    return rows, True


def _left_out(rows: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Of the architectures and kernels that rows are about: the mutants that no row is about, and
    where and why nothing can see one."""
    ran = {(row["mutant"], row["arch"], row["kernel"].partition("+")[0]) for row in rows}
    unrun, unseen = [], []
    for arch, base in mutants_view.places(rows):
        for mutant in mutants.find([]):
            if base not in (mutant.source, *(f"source:{suite}" for suite in mutant.also)):
                continue
            if arch in mutant.arches and (mutant.name, arch, base) not in ran:
                unrun.append(f"{mutant.name} ({arch})")
            unseen += [f"**{mutant.name}** on {arch}: {reason}." for where, reason in mutant.unseen
                       if where == arch]
    return unrun, unseen


def main(args: argparse.Namespace) -> int:
    """Run, or gather, and print the matrix."""
    console = common.console_for(args.json)
    complete = True
    if args.runs:
        rows = stored(args.runs)
    else:
        rows, complete = _run(args, Progress(console))
    rows = mutants_view.merged(rows)
    console.print(mutants_view.table(rows))
    for line in mutants_view.score_lines(rows):
        console.print(line, highlight=False, soft_wrap=True)
    for line in mutants_view.unjudged_lines(rows):
        # A build's log has brackets that are nobody's markup.
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if args.doc:
        args.doc.write_text(mutants_view.page(rows, *_left_out(rows)))
    if not complete:
        return common.EXIT_INTERRUPTED
    if rows and not any(row["judged"] for row in rows):
        return TreeBuildError.exit_code
    return int(any(row["judged"] and row["found"] == (row["mutant"] is None) for row in rows))

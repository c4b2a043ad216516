# SPDX-License-Identifier: GPL-2.0
"""The `bisect` command: options, and what they select.

`main` bisects with any command (`--run`); a caller that can boot kernels passes
`make_runner` and gets the same search, log and report.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console

from mmrace.bisect import calibrate, git, report
from mmrace.bisect.command import CommandRunner
from mmrace.bisect.graph import FloatArray, Graph, linear
from mmrace.bisect.runner import Runner
from mmrace.bisect.session import bisect
from mmrace.bisect.settings import Settings
from mmrace.bisect.view import View
from mmrace.errors import UsageError

MakeRunner = Callable[[argparse.Namespace, Graph], Runner]

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

PATH_WEIGHT = 20.0
"""How much more a commit weighs that touches --path; the others keep weight 1, never 0."""


def duration(text: str) -> float:
    """Seconds of "90", "90s", "5m", "2h" or "1d"."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    try:
        seconds = float(number) * UNITS[unit]
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a time: {text!r} (such as 90s, 5m, 2h)") from None
    if not seconds > 0:
        raise argparse.ArgumentTypeError("a time must be positive")
    return seconds


def fraction(text: str) -> float:
    """A confidence: above 0.5, below 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.5 < value < 1.0:
        raise argparse.ArgumentTypeError(f"not a confidence between 0.5 and 1: {text!r}")
    return value


def count(text: str) -> int:
    """A positive number."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a positive number: {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All options of `mmrace bisect` that concern the search."""
    where = parser.add_argument_group("what to search")
    where.add_argument("--tree", type=Path, help="a git tree; searches good..bad, merges included")
    where.add_argument("--list", help="packages instead of commits, oldest first, with commas")
    where.add_argument("--good", help="the commit or package that does not fail")
    where.add_argument("--bad", help="the commit or package that fails")
    where.add_argument("--find", choices=("regression", "fix"), default="regression",
                       help="fix: bad is the older end, name what fixed it")
    where.add_argument("--path", action="append", default=[], metavar="PATH",
                       help="commits that touch PATH are likelier; no other is excluded")
    how = parser.add_argument_group("how to try one")
    how.add_argument("--run", metavar="CMD", help="exit 0 pass, 125 cannot tell, >= 128 machine "
                     "lost, else the failure; MMRACE_COMMIT names the commit")
    how.add_argument("--build", metavar="CMD", help="run after each change of commit; "
                     "a failure skips the commit")
    how.add_argument("--keeps-builds", action="store_true",
                     help="--build keeps its result by MMRACE_COMMIT")
    how.add_argument("--timeout", type=duration, help="a CMD that runs longer is a machine lost")
    limit = parser.add_argument_group("how sure, how long")
    limit.add_argument("--confidence", type=fraction, default=0.95)
    limit.add_argument("--budget", type=duration, default=float("inf"), metavar="TIME")
    limit.add_argument("--no-change", type=float, default=0.2, metavar="P", dest="no_change",
                       help="prior probability that nothing changed (default 0.2)")
    limit.add_argument("--no-confirm", action="store_true",
                       help="leave the comparison on fresh trials out")
    limit.add_argument("--seed", type=int, default=1)
    out = parser.add_argument_group("output")
    out.add_argument("--out", type=Path, default=Path("runs/bisect"), help="directory of the log")
    out.add_argument("--resume", action="store_true", help="go on from the log in --out")
    out.add_argument("--json", action="store_true")
    test = parser.add_argument_group("calibration")
    test.add_argument("--calibrate", action="store_true",
                      help="print how well the stated confidence holds in simulated worlds")
    test.add_argument("--trials", type=count, default=100, metavar="N",
                      help="simulated searches for each world (default 100)")


def main(args: argparse.Namespace, make_runner: MakeRunner | None = None) -> int:
    """Run the command; returns the exit code.  UsageError for options that make no sense."""
    if args.calibrate:
        return run_calibration(args.trials, args.json)
    graph = read_graph(args)
    runner = make_runner(args, graph) if make_runner else command_runner(args)
    console = Console(stderr=True)
    with View(console) as view:
        done = bisect(
            graph, runner, read_settings(args, runner), args.out, args.resume,
            prior=path_prior(args, graph), watch=view,
        )
    print(json.dumps(done.result, indent=1) if args.json else report.as_text(done.result))
    return int(done.finish.answer)


def ends(args: argparse.Namespace) -> tuple[str, str]:
    """(old, new) of --good and --bad."""
    if args.good is None or args.bad is None:
        raise UsageError("bisect needs --good and --bad")
    return (args.good, args.bad) if args.find == "regression" else (args.bad, args.good)


def read_graph(args: argparse.Namespace) -> Graph:
    """The candidates that the options select."""
    if (args.tree is None) == (args.list is None):
        raise UsageError("bisect needs one of --tree and --list")
    if args.tree is not None:
        return git.history(args.tree, *ends(args))
    names = [name for name in args.list.split(",") if name]
    if args.good or args.bad:
        old, new = ends(args)
        if old not in names or new not in names or names.index(old) >= names.index(new):
            raise UsageError(f"{old} and {new} are not in this order in --list")
        names = names[names.index(old): names.index(new) + 1]
    return linear(names)


def read_settings(args: argparse.Namespace, runner: Runner) -> Settings:
    """The settings that the options select."""
    if not 0.0 < args.no_change < 1.0:
        raise UsageError("--no-change must lie between 0 and 1")
    prior = Settings().prior
    keeps = args.keeps_builds or getattr(runner, "build_command", "") is None
    return Settings(
        find=args.find, confidence=args.confidence, budget=args.budget, keeps_builds=keeps,
        confirm=not args.no_confirm, seed=args.seed,
        prior=type(prior)(none=args.no_change),
    )


def path_prior(args: argparse.Namespace, graph: Graph) -> FloatArray | None:
    """Weights by --path, or None."""
    if not args.path:
        return None
    if args.tree is None:
        raise UsageError("--path needs --tree")
    likely = git.touched(args.tree, graph.names[0], graph.names[graph.new], args.path)
    return np.array([PATH_WEIGHT if name in likely else 1.0 for name in graph.names])


def command_runner(args: argparse.Namespace) -> CommandRunner:
    """The runner of --run."""
    if args.run is None:
        raise UsageError("bisect needs --run CMD")
    return CommandRunner(
        args.run, args.tree, args.out / "worktree" if args.tree else None, args.build,
        args.timeout,
    )


def run_calibration(trials: int, as_json: bool) -> int:
    """Print the table; exit code 0 when every world keeps the confidence, else 1."""
    rows = []
    if not as_json:
        print(calibrate.HEAD)
        print("|" + " --- |" * (calibrate.HEAD.count("|") - 1))
    for row in calibrate.table(trials):
        rows.append(row)
        if not as_json:
            print(calibrate.markdown(row))
            sys.stdout.flush()
    if as_json:
        print(json.dumps({"searches": trials, "rows": [calibrate.as_dict(r) for r in rows]}))
    return 0 if all(row.meets for row in rows) else 1

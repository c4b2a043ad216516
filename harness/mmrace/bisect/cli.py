# SPDX-License-Identifier: GPL-2.0
"""The `bisect` command: from options to a history, a runner and an answer."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from mmrace import config, kconfig, kernels
from mmrace.bisect import calibrate, git, options, report
from mmrace.bisect.command import CommandRunner
from mmrace.bisect.evidence import parse_signal
from mmrace.bisect.graph import FloatArray, Graph, linear
from mmrace.bisect.race import RaceRunner
from mmrace.bisect.runner import Runner
from mmrace.bisect.search import Answer
from mmrace.bisect.session import bisect, next_seed
from mmrace.bisect.settings import Settings
from mmrace.bisect.view import View
from mmrace.cell import Cell
from mmrace.commands import common
from mmrace.errors import InfraError, StoreError, UsageError
from mmrace.kernels import parse_id
from mmrace.report import write_all
from mmrace.store import Run

PATH_WEIGHT = 20.0
"""How much more a commit weighs that touches --path; the others keep weight 1, never 0."""

# What a build and a trial's boot may take under emulation, in seconds, until they are measured.
BUILD_GUESS_S, BOOT_GUESS_S = 30.0, 10.0


def main(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.  UsageError for options that make no sense."""
    options.check_calibration(args)
    if args.calibrate:
        return run_calibration(args.trials, args.json)
    home = None
    if args.resume:
        args, home = options.kept(args)
    check(args)
    if home is None:
        read_graph(args)
        home = new_home(args)
        options.keep(args, home)
    answer, result = search(args, home)
    if args.kernels and args.tree and answer is Answer.NAMED:
        args = commits_between(args, result["culprit"])
        answer, result = search(args, commits_home(home))
    if args.json:
        print(json.dumps(result, indent=1))
    return int(answer)


def search(args: argparse.Namespace, home: Path) -> tuple[Answer, dict[str, Any]]:
    """One search in the run directory `home`, shown as it goes; the answer is printed as text."""
    graph = read_graph(args)
    make = race_runner if args.race else command_runner
    runner = make(args, home)
    settings = read_settings(args, runner)
    prior = path_prior(args, graph)
    console = Console(stderr=True)

    @functools.cache
    def name_of(name: str) -> str:
        return label(args, name)

    console.print(f"{graph.candidates} candidates; log, trials and report.html: {home}",
                  highlight=False, soft_wrap=True)
    try:
        with View(console, name_of) as view:
            done = bisect(graph, runner, settings, home, prior=prior, watch=view, labels=name_of)
    except (KeyboardInterrupt, InfraError, StoreError):
        console.print("stopped; what runs comes to its end, then go on with: ./mmrace bisect "
                      f"--resume {home}", highlight=False, soft_wrap=True)
        raise
    finally:
        write_all(home)
    if not args.json:
        print(report.as_text(done.result, name_of))
    return done.finish.answer, done.result


def commits_home(home: Path) -> Path:
    """The run directory of the second search, below the first's."""
    below = home / "commits"
    if not (below / "run.json").exists():
        below.mkdir(exist_ok=True)
        Run.begin(["./mmrace", *sys.argv[1:]], below)
    return below


def commits_between(args: argparse.Namespace, named: str) -> argparse.Namespace:
    """The options that search the tree between the package kernel that was named and the one
    before it."""
    names = args.kernels.split(",")
    arch = config.arch(args.arch)
    before, after = (kernels.resolve(name, arch).upstream
                     for name in (names[names.index(named) - 1], named))
    old, new = git.gap(args.tree, before, after)
    good, bad = (old, new) if args.find == "regression" else (new, old)
    return argparse.Namespace(**vars(args) | {"kernels": None, "good": good, "bad": bad})


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot be meant, before anything is fetched, built or booted."""
    if not (args.tree or args.kernels or args.list) or args.list and (args.tree or args.kernels):
        raise UsageError("bisect needs --tree PATH, --kernels K1,K2,..., both, or --list A,B,...")
    if bool(args.race) == bool(args.run):
        raise UsageError("bisect needs one of --race NAME (a race in a guest) and --run CMD")
    if args.kernels and not args.race:
        raise UsageError("--kernels are tried with --race NAME; --run goes with --tree or --list")
    if args.list and args.race:
        raise UsageError("--list is for --run; package kernels are named with --kernels")
    if args.tree:
        args.tree = args.tree.resolve()
        git.check_tree(args.tree)
    if args.path and not args.tree:
        raise UsageError("--path needs --tree")
    if not 0.0 < args.no_change < 1.0:
        raise UsageError("--no-change must lie between 0 and 1")
    parse_signal(args.signal, args.signature)
    _check_kind(args)
    if args.scenario:
        kconfig.check_scenario(args.scenario)
        if not (args.tree and args.race):
            raise UsageError("--scenario is how --tree is built for --race")
    if not args.race:
        return
    common.check_race(args.race)
    config.variant(args.variant, args.arch)
    common.check_options(args.race, common.parse_options(args.option))
    for kernel in (args.kernels or "").split(","):
        if kernel:
            parse_id(kernel, config.arch(args.arch))


def _check_kind(args: argparse.Namespace) -> None:
    """Refuse options of one kind of trial with the other, where they would mean nothing."""
    for option, value in (("--option", args.option), ("--signature", args.signature),
                          ("--machine", args.variant != "default"),
                          ("--mode", args.mode != "natural")):
        if value and args.run:
            raise UsageError(f"{option} is for --race: what --run CMD does is its own business")
    for option, value in (("--build", args.build), ("--keeps-builds", args.keeps_builds),
                          ("--timeout", args.timeout)):
        if value and args.race:
            raise UsageError(f"{option} is for --run CMD: a race's kernels are built and watched "
                             "by the harness")


def new_home(args: argparse.Namespace) -> Path:
    """The run directory, with the words of the command."""
    command = ["./mmrace", *sys.argv[1:]]
    if args.out is None:
        return Run.create(command).home
    home: Path = args.out
    if (home / "run.json").exists():
        raise UsageError(f"{home} holds a run already: go on in it with --resume {home}, or name "
                         "another --out")
    try:
        home.mkdir(parents=True, exist_ok=True)
        return Run.begin(command, home).home
    except OSError as error:
        raise UsageError(f"--out {home} cannot be written: {error.strerror}; name another "
                         "directory") from None


def ends(args: argparse.Namespace, names: list[str] | None = None) -> tuple[str, str]:
    """(old, new) of --good and --bad; with a list, its own ends where they are not given."""
    old, new = (args.good, args.bad) if args.find == "regression" else (args.bad, args.good)
    if names:
        old, new = old or names[0], new or names[-1]
    if old is None or new is None:
        raise UsageError("bisect --tree needs --good and --bad")
    return old, new


def read_graph(args: argparse.Namespace) -> Graph:
    """The candidates that the options select."""
    if not (args.kernels or args.list):
        return git.history(args.tree, *ends(args))
    names = [name for name in (args.kernels or args.list).split(",") if name]
    old, new = ends(args, names)
    if len(set(names)) < max(2, len(names)):
        raise UsageError(f"{','.join(names)}: name two or more, each once, the oldest first")
    if old not in names or new not in names or names.index(old) >= names.index(new):
        raise UsageError(f"{old} and {new} are not in this order in {','.join(names)}, which must "
                         "begin with the oldest; with --find fix the bad one is the older")
    return linear(names[names.index(old): names.index(new) + 1])


def read_settings(args: argparse.Namespace, runner: Runner) -> Settings:
    """The settings that the options select."""
    prior = Settings().prior
    return Settings(
        find=args.find, confidence=args.confidence, budget=args.budget,
        build_cost=BUILD_GUESS_S, trial_cost=args.duration + BOOT_GUESS_S,
        keeps_builds=runner.keeps_builds, mixes=runner.mixes, parallel=args.parallel,
        confirm=not args.no_confirm, seed=args.seed, prior=type(prior)(none=args.no_change),
    )


def path_prior(args: argparse.Namespace, graph: Graph) -> FloatArray | None:
    """Weights by --path, or None."""
    if not args.path or args.kernels:
        return None
    likely = git.touched(args.tree, graph.names[0], graph.names[graph.new], args.path)
    if not likely:
        raise UsageError(f"--path: no commit between the ends touches {', '.join(args.path)}")
    return np.array([PATH_WEIGHT if name in likely else 1.0 for name in graph.names])


def label(args: argparse.Namespace, name: str) -> str:
    """A candidate for people: a commit with its subject, or the name as it is."""
    commits = args.tree and not args.kernels
    return f"{name[:12]} {git.subject(args.tree, name)}" if commits else name


def command_runner(args: argparse.Namespace, home: Path) -> Runner:
    """The runner of --run."""
    return CommandRunner(
        args.run, args.tree, home / "worktree" if args.tree else None, args.build, args.timeout,
        args.keeps_builds, next_seed(home, args.seed, args.parallel),
    )


def race_runner(args: argparse.Namespace, home: Path) -> Runner:
    """The runner of --race: on package kernels, or on the commits of a tree."""
    scenario = f"+{args.scenario}" if args.scenario else ""

    def cell(name: str, seed: int) -> Cell:
        kernel = name if args.kernels else f"tree:{args.tree}@{name}{scenario}"
        return Cell(kernel=kernel, arch=args.arch, race=args.race, mode=args.mode,
                    duration=args.duration, seed=seed, variant=args.variant,
                    options=common.parse_options(args.option))

    return RaceRunner(cell, parse_signal(args.signal, args.signature), home,
                      next_seed(home, args.seed, args.parallel))


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

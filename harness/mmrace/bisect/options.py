# SPDX-License-Identifier: GPL-2.0
"""The options of `mmrace bisect`, and how a run directory keeps them for --resume."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from mmrace.bisect.evidence import SIGNALS
from mmrace.cell import MODES
from mmrace.commands.common import positive, seed
from mmrace.errors import UsageError
from mmrace.paths import runs_dir
from mmrace.store import write_durably

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
KEPT = "bisect-options.json"


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    where = parser.add_argument_group("what to search")
    where.add_argument("--tree", type=Path, help="a git tree; searches good..bad, merges included")
    where.add_argument("--kernels", metavar="K1,K2,...", help="package kernels, oldest first; "
                       "with --tree then the commits between the named one and the one before")
    where.add_argument("--list", metavar="NAME,...", help="other names for --run, oldest first")
    where.add_argument("--good", help="the commit or kernel that does not fail")
    where.add_argument("--bad", help="the commit or kernel that fails")
    where.add_argument("--find", choices=("regression", "fix"), default="regression",
                       help="fix: bad is the older end, name what fixed it")
    where.add_argument("--path", action="append", default=[], metavar="PATH",
                       help="commits that touch PATH are likelier; no other is excluded")
    _add_race(parser)
    how = parser.add_argument_group("how to try one: any command")
    how.add_argument("--run", metavar="CMD", help="exit 0 pass, 125 cannot tell, >= 128 machine "
                     "lost, else the failure; MMRACE_COMMIT and MMRACE_TRIAL are set")
    how.add_argument("--build", metavar="CMD", help="run after each change of commit; "
                     "a failure skips the commit")
    how.add_argument("--keeps-builds", action="store_true",
                     help="--build keeps its result by MMRACE_COMMIT")
    how.add_argument("--timeout", type=duration, help="a CMD that runs longer is a machine lost")
    limit = parser.add_argument_group("how sure, how long")
    limit.add_argument("--confidence", type=fraction, default=0.95)
    limit.add_argument("--budget", type=duration, default=float("inf"), metavar="TIME",
                       help="of all builds and trials together, such as 90m")
    limit.add_argument("--no-change", type=float, default=0.2, metavar="P", dest="no_change",
                       help="prior probability that nothing changed (default %(default)s)")
    limit.add_argument("--no-confirm", action="store_true",
                       help="leave the comparison on fresh trials out")
    limit.add_argument("-n", "--parallel", type=positive(int), default=1, metavar="N",
                       help="trials at once")
    limit.add_argument("--seed", type=seed, default=1,
                       help="the first trial's seed, counted up (default %(default)s)")
    out = parser.add_argument_group("output")
    out.add_argument("--out", type=Path, help="the run directory (default: a new one in runs/)")
    out.add_argument("--resume", metavar="RUN", help="go on in a run directory, with its options; "
                     "--budget, -n and --timeout may be given anew")
    out.add_argument("--json", action="store_true", help="the answer as JSON on stdout")
    test = parser.add_argument_group("calibration")
    test.add_argument("--calibrate", action="store_true",
                      help="print how well the stated confidence holds in simulated worlds")
    test.add_argument("--trials", type=positive(int), default=100, metavar="N",
                      help="simulated searches for each world (default %(default)s)")


def _add_race(parser: argparse.ArgumentParser) -> None:
    race = parser.add_argument_group("how to try one: a race, one fresh guest a trial")
    race.add_argument("--race", help="the race of stress/races/")
    race.add_argument("--arch", default=os.uname().machine)
    race.add_argument("--machine", default="default", dest="variant", metavar="VARIANT")
    race.add_argument("--scenario", default=None,
                      help="the configuration that --tree is built with (configs/scenarios/)")
    race.add_argument("--mode", choices=MODES[:2], default="natural")
    race.add_argument("--duration", type=positive(float), default=10.0,
                      help="seconds of rounds in one trial (default %(default)s)")
    race.add_argument("--option", action="append", default=[], metavar="KEY=VALUE",
                      help="an option of the race's own; may be given again")
    race.add_argument("--signal", default="race", metavar="WHAT",
                      help=f"what is the failure: {', '.join(SIGNALS)}, or COUNTER>=N of the "
                      "module's counters (default %(default)s); others never count as it")
    race.add_argument("--signature", metavar="REGEX",
                      help="only failures of that kind whose text matches")


def keep(args: argparse.Namespace, home: Path) -> None:
    """Keep the options in a run directory."""
    plain = {name: str(value) if isinstance(value, Path) else value
             for name, value in vars(args).items() if not callable(value)}
    write_durably(home / KEPT, json.dumps(plain, indent=1) + "\n")


def _defaults() -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return vars(parser.parse_args([]))


def check_calibration(args: argparse.Namespace) -> None:
    """Refuse --calibrate beside options of a search, and its own without it."""
    differ = {name for name, value in _defaults().items() if getattr(args, name) != value}
    if not args.calibrate and "trials" in differ:
        raise UsageError("--trials is how many searches --calibrate simulates; a real search ends "
                         "by --confidence and --budget")
    beside = sorted(differ - {"calibrate", "trials", "json"})
    if args.calibrate and beside:
        raise UsageError("--calibrate searches in simulated worlds only, with --trials and --json: "
                         f"leave out what else is given ({', '.join(beside)})")


def kept(args: argparse.Namespace) -> tuple[argparse.Namespace, Path]:
    """The options of the run that --resume names, with those of `args` that are not defaults."""
    homes = [path for path in (Path(args.resume), runs_dir() / args.resume)
             if (path / KEPT).is_file()]
    if not homes:
        raise UsageError(f"--resume: there is no bisection in '{args.resume}' (no {KEPT})")
    try:
        stored: dict[str, Any] = dict(json.loads((homes[0] / KEPT).read_text()))
    except (TypeError, ValueError):
        raise UsageError(f"--resume: {homes[0] / KEPT} is damaged; give the options anew and name "
                         "another --out") from None
    default = _defaults()
    given = {name: value for name, value in vars(args).items()
             if name in default and name != "resume" and value != default[name]}
    merged = default | {name: value for name, value in stored.items() if name in default} | given
    merged["tree"] = None if merged["tree"] is None else Path(merged["tree"])
    merged["out"] = None
    return argparse.Namespace(**merged), homes[0]

# SPDX-License-Identifier: GPL-2.0
"""./mmrace caps: what the module has on every kernel, measured."""

import argparse
import json
import sys
from dataclasses import asdict

from mmrace.cell import Place
from mmrace.errors import UsageError
from mmrace.module_matrix import markdown, measure, places
from mmrace.paths import TREE

HELP = "boot every kernel and tell what the module has on it: probes, windows, checkers, plants"
EPILOG = """\
examples:
  ./mmrace caps                                 # a Markdown page
  ./mmrace caps --write                         # into docs/module-matrix.md
  ./mmrace caps --kernel debian:trixie --arch s390x --json
"""
PAGE = TREE / "docs/module-matrix.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--kernel", help="this one only, such as debian:trixie")
    parser.add_argument("--arch", help="this architecture only")
    parser.add_argument("--machine", metavar="VARIANT", dest="variant",
                        help="this machine variant only")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="one JSON object a guest")
    how.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(TREE)}")


def _chosen(args: argparse.Namespace) -> list[Place]:
    known = places()
    chosen = [place for place in known
              if args.kernel in (None, place.kernel) and args.arch in (None, place.arch)
              and args.variant in (None, place.variant)]
    if chosen:
        return chosen
    # A kernel of one's own is not among them.
    if args.kernel and args.arch and args.kernel not in {place.kernel for place in known}:
        return [Place("qemu", args.kernel, args.arch, args.variant or "default")]
    raise UsageError("no such kernel and architecture among: " + ", ".join(
        f"{place.kernel} {place.arch} {place.variant}" for place in known)
        + "; any other kernel needs --arch")


def main(args: argparse.Namespace) -> int:
    """Boot them, one after the other."""
    chosen = _chosen(args)
    if args.write and len(chosen) < len(places()):
        raise UsageError("--write makes the whole page: leave out --kernel, --arch and --machine")
    rows = [measure(place) for place in chosen]
    if args.json:
        for row in rows:
            print(json.dumps(asdict(row)))
    elif args.write:
        PAGE.write_text(markdown(rows))
    else:
        sys.stdout.write(markdown(rows))
    return 0

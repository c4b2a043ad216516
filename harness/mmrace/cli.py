# SPDX-License-Identifier: GPL-2.0
"""The command line: ./mmrace COMMAND."""

import argparse
import importlib
import os
import sys
from types import ModuleType
from typing import Any

from mmrace.errors import MmraceError

COMMANDS = {
    "run": "mmrace.commands.run",
    "matrix": "mmrace.commands.matrix",
    "list": "mmrace.commands.list",
    "build": "mmrace.commands.build",
    "replay": "mmrace.commands.replay",
    "bisect": "mmrace.commands.bisect",
    "report": "mmrace.commands.report",
    "compare": "mmrace.commands.compare",
    "trends": "mmrace.commands.trends",
    "mutants": "mmrace.commands.mutants",
    "export": "mmrace.commands.export",
    "caps": "mmrace.commands.caps",
    "races": "mmrace.commands.races",
    "doctor": "mmrace.commands.doctor",
}


# What a command exits with that has no more to say by its exit code.
EXIT_CODES = """\
exit codes: 0 done; 2 usage; 128 and up, what it needs is missing or failed; 130 interrupted.

"""


class Once(argparse.Action):
    """An option with one value: given twice it is an error, where argparse would drop the first."""

    _given: argparse.Namespace | None = None

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: Any, option_string: str | None = None) -> None:
        """Store the value."""
        if option_string and self._given is namespace:
            raise argparse.ArgumentError(self, f"it has one value, and is given again as {values}")
        self._given = namespace
        setattr(namespace, self.dest, values)


def load_commands() -> dict[str, ModuleType]:
    """Every command's module by its name."""
    return {name: importlib.import_module(path) for name, path in COMMANDS.items()}


def make_parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="mmrace", description="Find memory-management races on stock kernels, prove every "
        "verdict, and bisect what was found.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in modules.items():
        epilog = module.EPILOG if "exit codes:" in module.EPILOG else EXIT_CODES + module.EPILOG
        sub = commands.add_parser(name, help=module.HELP, description=module.HELP,
                                  epilog=epilog,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
        sub.register("action", "store", Once)
        sub.register("action", None, Once)
        module.add_arguments(sub)
        sub.set_defaults(entry=module.main)
    return parser


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that completes a command line (README); does nothing otherwise."""
    if "_ARGCOMPLETE" in os.environ:
        importlib.import_module("argcomplete").autocomplete(parser)


def main(argv: list[str] | None = None) -> int:
    """Run one command; errors that a user can mend are one message, not a traceback."""
    parser = make_parser(load_commands())
    _complete(parser)
    args = parser.parse_args(argv)
    try:
        return int(args.entry(args))
    except MmraceError as error:
        print(f"mmrace: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("mmrace: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"mmrace: {error.filename or 'system'}: {error.strerror}", file=sys.stderr)
        return 128

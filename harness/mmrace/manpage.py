# SPDX-License-Identifier: GPL-2.0
"""The manual page mmrace(1), made from the commands' own parsers: python3 -m mmrace.manpage."""

import argparse
import os
import re
import time
from collections.abc import Iterator

from mmrace import cli
from mmrace.verdict import EXIT_CODES, Verdict

ENVIRONMENT = {
    "MMRACE_CACHE": "where downloads, kernels, build roots and proven controls are kept (default: "
                    "~/.cache/mmrace)",
    "MMRACE_RUNS": "where run directories are made (default: runs/ of the source tree)",
    "MMRACE_HOSTS": "the file that names the hosts (default: configs/hosts.toml)",
    "MMRACE_DEBIAN_ARCHIVE": "the Debian archive that kernels are taken from (default: the one of "
                             "apt's sources)",
}

FILES = {
    "configs/matrix/*.toml": "matrices, by name",
    "configs/expectations.toml": "what is expected of a cell, and why",
    "configs/machines.toml": "machine variants of guests",
    "configs/hosts.toml": "real machines",
    "configs/kernels.toml": "Debian suites that kernels are taken from, and compilers",
    "runs/*/results.ndjson": "a run's records, the truth that all views are made of",
    "runs/*/report.html": "a run as one page; beside it junit.xml, results.ktap, results.json",
    "runs/*/cells/*/": "a cell's record, the race's own records, kernel log, the module's files",
    "runs/*/boots/*/": "a boot's console, the agent's records, QEMU's command line",
}


def escape(text: str) -> str:
    """Text as roff takes it, in one line."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def _verbatim(text: str) -> Iterator[str]:
    yield from (".PP", ".nf", *map(escape, text.strip("\n").splitlines()), ".fi")


def _epilog(text: str) -> Iterator[str]:
    """A command's epilog: paragraphs are filled, indented lines (examples) stay as they are."""
    for part in text.strip().split("\n\n"):
        lines = part.splitlines()
        plain = [line for line in lines if not line.startswith("  ")]
        if plain:
            yield from (".PP", escape(" ".join(plain)))
        if len(plain) < len(lines):
            yield from _verbatim("\n".join(line for line in lines if line.startswith("  ")))


def _option(action: argparse.Action, parser: argparse.ArgumentParser) -> Iterator[str]:
    names = ", ".join(rf"\fB{escape(name)}\fR" for name in action.option_strings)
    value = ""
    if action.nargs != 0:
        default = action.dest.upper() if action.option_strings else action.dest
        word = (action.metavar if isinstance(action.metavar, str) else
                "|".join(map(str, action.choices)) if action.choices else default)
        value = rf"\fI{escape(word)}\fR"
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    yield from (".TP", " ".join(filter(None, (names, value))), escape(" ".join(text.split())))


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (f".SS {escape(name)}", escape(parser.description or ""))
    for action in parser._actions:
        if action.help is not argparse.SUPPRESS and action.dest != "help":
            yield from _option(action, parser)
    yield from _epilog(parser.epilog or "")


def _list(items: dict[str, str]) -> Iterator[str]:
    for word, text in items.items():
        yield from (".TP", rf"\fB{escape(word)}\fR", escape(text))


def _date() -> str:
    """Today, or what SOURCE_DATE_EPOCH says, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(float(os.environ.get("SOURCE_DATE_EPOCH",
                                                                      time.time()))))


def page() -> str:
    """The whole page."""
    parser = cli.make_parser(cli.load_commands())
    commands = next(action for action in parser._actions
                    if isinstance(action, argparse._SubParsersAction))
    codes: dict[int, list[str]] = {}
    for verdict in Verdict:
        codes.setdefault(EXIT_CODES[verdict], []).append(str(verdict))
    lines = [
        f'.TH MMRACE 1 {_date()} mmrace "User Commands"', ".SH NAME",
        r"mmrace \- find memory\-management races on stock kernels", ".SH SYNOPSIS",
        r".B mmrace", r"\fICOMMAND\fR [\fIOPTION\fR...]", ".SH DESCRIPTION",
        escape(parser.description or ""), ".SH COMMANDS"]
    for name, sub in commands.choices.items():
        lines += _command(name, sub)
    lines += [".SH EXIT STATUS", escape("Of run and replay; other commands say theirs above.")]
    lines += _list({str(code): ", ".join(names) for code, names in sorted(codes.items())})
    lines += _list({"2": "usage: the message names what is wrong and what would be right",
                    "130": "interrupted"})
    lines += [".SH ENVIRONMENT", *_list(ENVIRONMENT), ".SH FILES", *_list(FILES)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")

# SPDX-License-Identifier: GPL-2.0
"""Errors that a user meets: each names the thing and the mend, and has its exit code."""


class MmraceError(Exception):
    """Base of the errors that end a command with a message instead of a traceback."""

    exit_code = 128


class UsageError(MmraceError):
    """The command line, a configuration file or a name is wrong: exit code 2."""

    exit_code = 2


class InfraError(MmraceError):
    """Something around the test is missing or lost (archive, emulator, disk): exit code 128."""

    exit_code = 128


class BuildError(MmraceError):
    """The module, the races or the agent did not build: exit code 129."""

    exit_code = 129


class TreeBuildError(MmraceError):
    """A kernel tree does not configure or build, so nothing is known of it: exit code 125."""

    exit_code = 125


class MissingError(MmraceError):
    """Something that can be had is not there yet: a cell that needs it is SKIP, exit code 128."""

    exit_code = 128


class StoreError(MmraceError):
    """The run directory cannot be written, so no further cell may run: exit code 128."""

    exit_code = 128

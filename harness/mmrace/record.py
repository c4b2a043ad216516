# SPDX-License-Identifier: GPL-2.0
"""Reading TOML with the types that are expected, every error naming file and key."""

import difflib
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmrace.errors import UsageError
from mmrace.paths import CONFIGS

# What a TOML type is called in an error.
KINDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list",
         dict: "a table"}


class Record:
    """A TOML table that is read key by key with the type that is expected.

    `done` refuses what nobody asked for: a key that is misspelt must not count as left out.
    """

    def __init__(self, where: str, data: Any) -> None:
        if not isinstance(data, Mapping):
            raise UsageError(f"{where}: it must be a table, it is {data!r}")
        self.where = where
        self.data: Mapping[str, Any] = data
        self._asked: set[str] = set()

    def _get(self, key: str, kind: type, default: Any = None) -> Any:
        self._asked.add(key)
        value = self.data.get(key, default)
        if value is None:
            raise UsageError(f"{self.where}: '{key}' is missing; it must be {KINDS[kind]}")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise UsageError(f"{self.where}: '{key}' must be {KINDS[kind]}, it is {value!r}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """The string under key."""
        return str(self._get(key, str, default))

    def integer(self, key: str, default: int | None = None) -> int:
        """The integer under key."""
        return int(self._get(key, int, default))

    def flag(self, key: str, default: bool | None = None) -> bool:
        """The boolean under key."""
        return bool(self._get(key, bool, default))

    def texts(self, key: str, default: list[str] | None = None) -> list[str]:
        """The list of strings under key."""
        found = self._get(key, list, default)
        for item in found:
            if not isinstance(item, str):
                raise UsageError(f"{self.where}: '{key}' must be a list of texts, it has {item!r}")
        return list(found)

    def seconds(self, key: str) -> float:
        """The number under key, which must be a time above 0, in seconds."""
        self._asked.add(key)
        value = self.data.get(key)
        if (not isinstance(value, (int, float)) or isinstance(value, bool)
                or not 0 < value < math.inf):
            raise UsageError(f"{self.where}: '{key}' must be seconds above 0, it is {value!r}")
        return value

    def table(self, key: str) -> "Record":
        """The table under key."""
        return Record(f"{self.where}: {key}", self._get(key, dict))

    def tables(self) -> dict[str, "Record"]:
        """What is in this one, by name; all of it must be tables."""
        return {name: Record(f"{self.where}: {name}", value) for name, value in self.data.items()}

    def records(self, key: str) -> list["Record"]:
        """The tables of the list under key (`[[key]]`), none where there is no such key."""
        return [Record(f"{self.where}: {key} {index}", entry)
                for index, entry in enumerate(self._get(key, list, []), 1)]

    def done(self) -> None:
        """Refuse keys that were not asked for."""
        for key in self.data.keys() - self._asked:
            close = difflib.get_close_matches(key, self._asked, 1)
            hint = f"did you mean '{close[0]}'?" if close else (
                f"here are: {', '.join(sorted(self._asked))}")
            raise UsageError(f"{self.where}: '{key}' means nothing here; {hint}")


def load(path: Path) -> Record:
    """Read one TOML file; a missing or malformed one is a usage error that names it."""
    try:
        with path.open("rb") as file:
            return Record(str(path.relative_to(CONFIGS.parent)
                              if path.is_relative_to(CONFIGS.parent) else path),
                          tomllib.load(file))
    except FileNotFoundError:
        raise UsageError(f"no such configuration file: {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read the configuration file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None

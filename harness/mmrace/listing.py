# SPDX-License-Identifier: GPL-2.0
"""What `list` shows to people: a line for what is small, a paragraph for what is not.

Nothing is cut off or wrapped by us, so that grep finds whole names whatever the terminal's width.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

Item = Mapping[str, Any]


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return "" if value is None else str(value)


def _option(option: Item) -> str:
    """An option of a race's own as it is given; a number where it has no values to choose from."""
    values = "|".join(option["values"] or ["NUMBER"])
    return f"--option {option['name']}={values}: {option['help']} (default: {option['default']})"


# What of a race is said otherwise than by its key and value: a line each.
RACE_LINES: dict[str, Callable[[Any], list[str]]] = {
    "windows": lambda windows: [f"windows: {_text([one['name'] for one in windows])}"],
    "exposure": lambda exposure: [f"exposure: {exposure['counter']}, at least {exposure['min']}"],
    "options": lambda options: [_option(option) for option in options],
}


def _field(key: str, value: Any) -> list[str]:
    if key in RACE_LINES and value:
        return RACE_LINES[key](value)
    said = _text(value)
    return [f"{key}: {said}"] if said else []


def print_paragraphs(items: Sequence[Item], console: Console) -> None:
    """Print each item's name and summary, then a line for every other field that says something."""
    for item in items:
        head = Text(item["name"], style="bold" if console.is_terminal else "")
        said = {key: item[key] for key in ("summary", "description") if item.get(key)}
        head.append("".join(f": {text}" for text in said.values()), style="not bold")
        console.print(head, soft_wrap=True)
        for key, value in item.items():
            for line in _field(key, value) if key not in ("name", *said) else ():
                console.print(Text(f"    {line}"), soft_wrap=True)


def print_lines(items: Sequence[Item], console: Console) -> None:
    """Print one line an item, in columns, under a line of the fields' names."""
    if not items:
        return
    rows = [list(items[0]), *(list(map(_text, item.values())) for item in items)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for index, row in enumerate(rows):
        line = "  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip()
        console.print(Text(line, style="bold" if console.is_terminal and not index else ""),
                      soft_wrap=True)

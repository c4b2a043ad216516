# SPDX-License-Identifier: GPL-2.0
"""A kernel's configuration: what is asked for, and what of it the kernel did not grant.

allnoconfig gets Kconfig.fragment, the architecture's part and the scenario's, later ones
overriding. It starts from nothing each time, so that the same sources and the same request give
the same configuration, whatever was built before. Kconfig drops silently what a kernel does not
have or whose dependencies are not met; here both are said.
"""

import re
from pathlib import Path

from mmrace.errors import UsageError
from mmrace.paths import CONFIGS, TREE

SCENARIOS = CONFIGS / "scenarios"


def scenarios() -> list[str]:
    """The scenarios that there are."""
    return sorted(path.stem for path in SCENARIOS.glob("*.config"))


def check_scenario(name: str) -> str:
    """The scenario's name, if there is one of that name."""
    if name not in scenarios():
        raise UsageError(f"unknown scenario '{name}'; configs/scenarios/ has: "
                         f"{', '.join(scenarios())}")
    return name


def boot_line(scenario: str) -> str:
    """What a scenario adds to the kernel's command line (configs/scenarios/NAME.boot)."""
    path = SCENARIOS / f"{scenario}.boot"
    return " ".join(path.read_text().split()) if path.exists() else ""


def parse(text: str) -> dict[str, str]:
    """The options of a configuration; one that is not set is `n`."""
    found = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"CONFIG_(\w+)=(.+)", line):
            found[match.group(1)] = match.group(2)
        elif match := re.fullmatch(r"# CONFIG_(\w+) is not set", line):
            found[match.group(1)] = "n"
    return found


def requested(arch: str, scenario: str) -> dict[str, str]:
    """Every option that is asked for."""
    wanted: dict[str, str] = {}
    for path in (TREE / "Kconfig.fragment", CONFIGS / "arch" / f"{arch}.config",
                 SCENARIOS / f"{scenario}.config"):
        wanted.update(parse(path.read_text()))
    return wanted


def as_text(options: dict[str, str]) -> str:
    """The options as Kconfig reads them."""
    return "".join(f"CONFIG_{name}={value}\n" for name, value in sorted(options.items()))


def _known(source: Path) -> set[str]:
    names: set[str] = set()
    for path in source.rglob("Kconfig*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            names.update(re.findall(r"^\s*(?:menu)?config\s+(\w+)", text, re.MULTILINE))
    return names


def unmet(wanted: dict[str, str], got: dict[str, str], source: Path) -> tuple[str, ...]:
    """What of the request is not in the configuration, a line for each kind of reason."""
    differs = [name for name, value in wanted.items() if got.get(name, "n") != value]
    if not differs:
        return ()
    known = _known(source)
    absent = [name for name in differs if name not in known]
    other = [f"{name} ({got.get(name, 'n')} instead of {wanted[name]})"
             for name in differs if name in known]
    return tuple(f"options that this kernel {what}: {', '.join(names)}"
                 for what, names in (("does not have", absent), ("did not grant", other)) if names)

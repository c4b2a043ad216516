# SPDX-License-Identifier: GPL-2.0
"""Building what runs on the machine under test: the module, the races, the agent."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmrace import buildroot, config, tools
from mmrace.config import Arch
from mmrace.errors import BuildError
from mmrace.kernels import Kernel
from mmrace.locks import locked, new_directory
from mmrace.paths import BUILD, TREE, cache_dir

MODULE_SOURCES = ("module", "include")


def digest(*roots: Path) -> str:
    """A short hash over the names and contents of all source files below some directories."""
    total = hashlib.sha256()
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix not in (".o", ".ko", ".mod", ".cmd"):
                total.update(str(path.relative_to(TREE)).encode() + b"\0")
                total.update(path.read_bytes())
    return total.hexdigest()[:16]


def file_id(path: Path) -> str:
    """A short hash of one built file, as results name it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Module:
    """A built mmrace.ko."""

    path: Path
    build_id: str


def module(kernel: Kernel, *, sparse: bool = False) -> Module:
    """mmrace.ko for a kernel, built in the kernel's build root unless the same sources were.

    `sparse` builds anew with `C=2` and takes every warning of sparse as a failure.
    """
    sources = digest(*(TREE / part for part in MODULE_SOURCES))
    home = (cache_dir() / "modules"
            / f"{kernel.suite}-{kernel.version}-{kernel.release}-{kernel.arch}" / sources)
    built = home / "mmrace.ko"
    with locked(home.parent / f"{sources}.lock"):
        if sparse or not built.exists():
            _build_module(kernel, home, sparse)
    return Module(built, file_id(built))


def _build_module(kernel: Kernel, home: Path, sparse: bool) -> None:
    root = buildroot.for_kernel(kernel)
    # Kernels of one compiler share a build root, and are built for at the same time: what is built
    # is a mount of this command's own, at one place for the sake of the compiler cache.
    work = home.parent / f"{home.name}-build"
    shutil.rmtree(work, ignore_errors=True)
    for part in MODULE_SOURCES:
        shutil.copytree(TREE / part, work / part)
    command: list[str | Path] = [
        *root.enter((work, buildroot.MODULE)), "make", "-C", root.kdir,
        f"M={buildroot.MODULE}/module",
        "MMRACE_WERROR=1", *root.make_args, f"-j{os.cpu_count() or 1}"]
    if sparse:
        command += ["C=2", "CF=-Wsparse-error"]
    log = cache_dir() / "logs" / f"module-{kernel.suite}-{kernel.arch}.log"
    what = f"building mmrace.ko for {kernel.id} {kernel.version} {kernel.arch}"
    tools.run([*command, "modules"], env={"LC_ALL": "C.UTF-8", "CCACHE_DIR": buildroot.CCACHE},
              log=log, error=BuildError, what=what)
    # kbuild only warns when it cannot run the checker that it was asked for.
    if sparse and "sparse is not available" in log.read_text():
        raise BuildError(f"{what}: sparse did not run (all of it: {log})")
    with new_directory(home) as target:
        shutil.copy(work / "module/mmrace.ko", target / "mmrace.ko")
    shutil.rmtree(work, ignore_errors=True)


def cross_prefix(arch: Arch) -> str:
    """CROSS_COMPILE for user space of an architecture; empty for the host's own."""
    if arch.name == os.uname().machine:
        return ""
    tools.need(f"{arch.gnu}-gcc", f"gcc-{arch.gnu.replace('_', '-')}")
    return f"{arch.gnu}-"


def _make(directory: str, arch: Arch, output: Path) -> Path:
    with locked(BUILD / f".{output.parent.name}-{arch.name}.lock"):
        tools.run(["make", "-C", TREE / directory, f"CROSS_COMPILE={cross_prefix(arch)}",
                   f"O={output}", f"-j{os.cpu_count() or 1}"],
                  log=BUILD / "logs" / f"{directory.replace('/', '-')}-{arch.name}.log",
                  error=BuildError, what=f"building {directory} for {arch.name}")
    return output


def races(arch: Arch) -> Path:
    """The directory with one static binary for each race."""
    return _make("stress", arch, BUILD / "stress" / arch.name)


def agent(arch: Arch) -> Path:
    """The static agent."""
    return _make("harness/agent", arch, BUILD / "agent" / arch.name) / "mmrace-agent"


@cache
def described() -> dict[str, dict[str, Any]]:
    """Every race by name, as its `--describe` says."""
    home = races(config.arch(os.uname().machine))
    return {name: json.loads(tools.run([home / name, "--describe"], error=BuildError))
            for name in race_names()}


@cache
def themes() -> dict[str, list[str]]:
    """The races of each theme, as they describe themselves."""
    found: dict[str, list[str]] = {}
    for name, said in described().items():
        found.setdefault(said["theme"], []).append(name)
    return found


def race_names() -> list[str]:
    """Every race of the tree: a race exists by being a file in stress/races/."""
    return sorted(path.stem for path in (TREE / "stress/races").glob("*.c"))

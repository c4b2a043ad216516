# SPDX-License-Identifier: GPL-2.0
"""Typed records from configs/*.toml: one record a thing, every error naming file and key."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmrace.errors import UsageError
from mmrace.paths import CONFIGS


class Record:
    """A TOML table that is read key by key with the type that is expected."""

    def __init__(self, where: str, data: Mapping[str, Any]) -> None:
        self.where = where
        self.data = data

    def _get(self, key: str, kind: type, default: Any = None) -> Any:
        value = self.data.get(key, default)
        if not isinstance(value, kind):
            raise UsageError(f"{self.where}: '{key}' must be {kind.__name__}, "
                             f"it is {value!r}")
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
        return [str(item) for item in self._get(key, list, default)]

    def table(self, key: str) -> "Record":
        """The table under key."""
        return Record(f"{self.where}: {key}", self._get(key, dict))

    def tables(self) -> dict[str, "Record"]:
        """Every table in this one, by name."""
        return {name: Record(f"{self.where}: {name}", value)
                for name, value in self.data.items() if isinstance(value, dict)}


def load(path: Path) -> Record:
    """Read one TOML file; a missing or malformed one is a usage error that names it."""
    try:
        with path.open("rb") as file:
            return Record(str(path.relative_to(CONFIGS.parent)
                              if path.is_relative_to(CONFIGS.parent) else path),
                          tomllib.load(file))
    except FileNotFoundError:
        raise UsageError(f"no such configuration file: {path}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None


@dataclass(frozen=True)
class Arch:
    """One architecture: its names elsewhere, and how its guest is started."""

    name: str
    debian: str
    meta_image: str
    meta_headers: str
    kernel_arch: str
    gnu: str
    qemu_binary: str
    qemu_package: str
    qemu_suite: str
    qemu_append: str
    qemu_args: tuple[str, ...]
    hang: tuple[str, ...]
    vmcore_args: tuple[str, ...]
    vmcore_modules: tuple[str, ...]
    console: str
    image: str
    bus: str
    modules: tuple[str, ...]
    build_targets: tuple[str, ...]
    build_image: str


@dataclass(frozen=True)
class Variant:
    """One machine variant of configs/machines.toml; memory in MiB."""

    name: str
    arches: tuple[str, ...]
    vcpus: int
    memory_mib: int
    append: str
    accel: str
    qemu_args: tuple[str, ...]
    modules: tuple[str, ...]
    emulator: str


@dataclass(frozen=True)
class Scratch:
    """One scratch file system of a guest; size in MiB."""

    name: str
    fstype: str
    size_mib: int
    device: str
    mkfs: tuple[str, ...]
    modules: tuple[str, ...]


def arch_names() -> list[str]:
    """The architectures that have a record."""
    return sorted(path.stem for path in (CONFIGS / "arch").glob("*.toml"))


@cache
def arch(name: str) -> Arch:
    """The record of an architecture by its kernel name (`uname -m`)."""
    if name not in arch_names():
        raise UsageError(f"unknown architecture '{name}'; configs/arch/ has: "
                         f"{', '.join(arch_names())}")
    record = load(CONFIGS / "arch" / f"{name}.toml")
    qemu = record.table("qemu")
    return Arch(
        name=name, debian=record.text("debian"), meta_image=record.text("meta_image"),
        meta_headers=record.text("meta_headers"), kernel_arch=record.text("kernel_arch"),
        gnu=record.text("gnu"), qemu_binary=qemu.text("binary"),
        qemu_package=qemu.text("package"), qemu_suite=qemu.text("suite", ""),
        qemu_append=qemu.text("append", ""),
        qemu_args=tuple(qemu.texts("args")),
        hang=tuple(qemu.texts("hang", [])),
        vmcore_args=tuple(qemu.texts("vmcore_args", [])),
        vmcore_modules=tuple(qemu.texts("vmcore_modules", [])),
        console=qemu.text("console"), image=qemu.text("image"), bus=qemu.text("bus"),
        modules=tuple(qemu.texts("modules")),
        build_targets=tuple(record.table("build").texts("targets")),
        build_image=record.table("build").text("image"))


@cache
def debian_suites() -> dict[str, tuple[str, ...]]:
    """Debian suites that kernels are taken from, and the architectures of each."""
    table = load(CONFIGS / "kernels.toml").table("debian")
    return {name: tuple(record.texts("arches")) for name, record in table.tables().items()}


def toolchain_suite(version: str) -> str:
    """The Debian suite whose compiler builds a kernel of that upstream version."""
    data = load(CONFIGS / "kernels.toml")
    for entry in data.data["toolchain"]:
        record = Record(f"{data.where}: toolchain", entry)
        if _numbers(version) < _numbers(record.text("below")):
            return record.text("suite")
    raise UsageError(f"{data.where}: no [[toolchain]] for version {version}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@cache
def variants() -> dict[str, Variant]:
    """Machine variants by name."""
    return {name: Variant(name=name, arches=tuple(record.texts("arches")),
                          vcpus=record.integer("vcpus"),
                          memory_mib=record.integer("memory_mib"),
                          append=record.text("append", ""),
                          accel=record.text("accel", "tcg,thread=multi"),
                          qemu_args=tuple(record.texts("qemu_args", [])),
                          modules=tuple(record.texts("modules", [])),
                          emulator=record.text("emulator", ""))
            for name, record in load(CONFIGS / "machines.toml").tables().items()}


def variant(name: str, arch_name: str) -> Variant:
    """The machine variant of that name, which must exist for the architecture."""
    known = variants()
    if name not in known:
        raise UsageError(f"unknown machine variant '{name}'; configs/machines.toml has: "
                         f"{', '.join(known)}")
    if arch_name not in known[name].arches:
        raise UsageError(f"machine variant '{name}' does not exist for {arch_name}, only for "
                         f"{', '.join(known[name].arches)}")
    return known[name]


@cache
def scratches() -> dict[str, Scratch]:
    """Scratch file systems by name."""
    return {name: Scratch(name=name, fstype=record.text("fstype"),
                          size_mib=record.integer("size_mib"), device=record.text("device"),
                          mkfs=tuple(record.texts("mkfs")),
                          modules=tuple(record.texts("modules")))
            for name, record in load(CONFIGS / "scratch.toml").tables().items()}

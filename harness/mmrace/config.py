# SPDX-License-Identifier: GPL-2.0
"""Typed records from configs/*.toml: one record a thing."""

from dataclasses import dataclass
from functools import cache

from mmrace.errors import UsageError
from mmrace.paths import CONFIGS
from mmrace.record import Record, load


@dataclass(frozen=True)
class ImageBuild:
    """What make is asked for, and the kernel image among what it makes."""

    targets: tuple[str, ...]
    image: str


@dataclass(frozen=True)
class Arch:
    """One architecture: its names elsewhere, and how its guest is started."""

    name: str
    debian: str
    kernel_package: str
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
    build: ImageBuild
    build_with: tuple[tuple[str, ImageBuild], ...]

    def image_build(self, options: str) -> ImageBuild:
        """How a kernel with these configuration lines is built."""
        lines = options.splitlines()
        return next((build for option, build in self.build_with if f"{option}=y" in lines),
                    self.build)


@dataclass(frozen=True)
class DebianKernel:
    """A suite's newest kernel; `package` ends the names of its meta-packages, where that is not
    the architecture's own."""

    suite: str
    arches: tuple[str, ...]
    package: str

    def meta(self, part: str, arch: Arch) -> str:
        """The meta-package of `part` (image, headers) for an architecture."""
        return f"linux-{part}-{self.package or arch.kernel_package}"


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


def _image_build(record: Record) -> ImageBuild:
    return ImageBuild(tuple(record.texts("targets")), record.text("image"))


@cache
def arch(name: str) -> Arch:
    """The record of an architecture by its kernel name (`uname -m`)."""
    if name not in arch_names():
        raise UsageError(f"unknown architecture '{name}'; configs/arch/ has: "
                         f"{', '.join(arch_names())}")
    record = load(CONFIGS / "arch" / f"{name}.toml")
    qemu, kernel_build = record.table("qemu"), record.table("build")
    special = kernel_build.table("with").tables() if "with" in kernel_build.data else {}
    found = Arch(
        name=name, debian=record.text("debian"), kernel_package=record.text("kernel_package"),
        kernel_arch=record.text("kernel_arch"), gnu=record.text("gnu"),
        qemu_binary=qemu.text("binary"),
        qemu_package=qemu.text("package"), qemu_suite=qemu.text("suite", ""),
        qemu_append=qemu.text("append", ""),
        qemu_args=tuple(qemu.texts("args")),
        hang=tuple(qemu.texts("hang", [])),
        vmcore_args=tuple(qemu.texts("vmcore_args", [])),
        vmcore_modules=tuple(qemu.texts("vmcore_modules", [])),
        console=qemu.text("console"), image=qemu.text("image"), bus=qemu.text("bus"),
        modules=tuple(qemu.texts("modules")),
        build=_image_build(kernel_build),
        build_with=tuple((option, _image_build(build)) for option, build in special.items()))
    for read in (record, qemu, kernel_build, *special.values()):
        read.done()
    return found


@cache
def debian_kernels() -> dict[str, DebianKernel]:
    """The kernels that are taken from Debian, by the name after `debian:`."""
    found = {}
    for name, record in load(CONFIGS / "kernels.toml").table("debian").tables().items():
        found[name] = DebianKernel(name.partition("+")[0], tuple(record.texts("arches")),
                                   record.text("package", ""))
        record.done()
    return found


def toolchain_suite(version: str) -> str:
    """The Debian suite whose compiler builds a kernel of that upstream version."""
    data = load(CONFIGS / "kernels.toml")
    for record in data.records("toolchain"):
        if _numbers(version) < _numbers(record.text("below")):
            return record.text("suite")
    raise UsageError(f"{data.where}: no [[toolchain]] for version {version}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _variant(name: str, record: Record) -> Variant:
    found = Variant(name=name, arches=tuple(record.texts("arches")),
                    vcpus=record.integer("vcpus"), memory_mib=record.integer("memory_mib"),
                    append=record.text("append", ""),
                    accel=record.text("accel", "tcg,thread=multi"),
                    qemu_args=tuple(record.texts("qemu_args", [])),
                    modules=tuple(record.texts("modules", [])),
                    emulator=record.text("emulator", ""))
    record.done()
    return found


@cache
def variants() -> dict[str, Variant]:
    """Machine variants by name."""
    return {name: _variant(name, record)
            for name, record in load(CONFIGS / "machines.toml").tables().items()}


def check_variant(name: str) -> None:
    """Refuse a machine variant that has no record."""
    if name not in variants():
        raise UsageError(f"unknown machine variant '{name}'; configs/machines.toml has: "
                         f"{', '.join(variants())}")


def variant(name: str, arch_name: str) -> Variant:
    """The machine variant of that name, which must exist for the architecture."""
    check_variant(name)
    known = variants()
    if arch_name not in known[name].arches:
        raise UsageError(f"machine variant '{name}' does not exist for {arch_name}, only for "
                         f"{', '.join(known[name].arches)}")
    return known[name]


def _scratch(name: str, record: Record) -> Scratch:
    found = Scratch(name=name, fstype=record.text("fstype"), size_mib=record.integer("size_mib"),
                    device=record.text("device"), mkfs=tuple(record.texts("mkfs")),
                    modules=tuple(record.texts("modules")))
    record.done()
    return found


@cache
def scratches() -> dict[str, Scratch]:
    """Scratch file systems by name."""
    return {name: _scratch(name, record)
            for name, record in load(CONFIGS / "scratch.toml").tables().items()}

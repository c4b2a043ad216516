# SPDX-License-Identifier: GPL-2.0
"""Emulators that are built from Debian's source with one change: configs/emulators.toml.

The source comes from the archive (apt verifies it) and is built in a minimal Debian of its suite
that is thrown away afterwards; the libraries that the emulator needs are kept beside it. Its
firmware is the packaged emulator's.
"""

import os
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mmrace import config, tools
from mmrace.archive import Suite
from mmrace.buildroot import HOST_ARCH
from mmrace.errors import BuildError, UsageError
from mmrace.locks import locked, new_directory
from mmrace.paths import CONFIGS, cache_dir
from mmrace.record import Record, load

BUILD_PACKAGES = ("build-essential", "ninja-build", "meson", "pkgconf", "python3-venv", "flex",
                  "bison", "libglib2.0-dev", "libfdt-dev", "zlib1g-dev")
# TCG alone: no display, no network, no documentation. Builds in minutes.
CONFIGURE = ("--without-default-features", "--enable-tcg", "--disable-docs",
             "--disable-install-blobs", "--disable-werror")


@dataclass(frozen=True)
class Recipe:
    """One emulator of configs/emulators.toml."""

    name: str
    arch: str
    suite: str
    lacks: str
    file: str
    after: str
    insert: str


class _SourceSuite(Suite):
    """The sources of a suite, with lists of their own."""

    @property
    def home(self) -> Path:
        """Where their lists are."""
        return cache_dir() / "apt" / f"{self.name}-source"

    def source_line(self, url: str) -> str:
        """The one-line apt source, of sources."""
        return super().source_line(url).replace("deb ", "deb-src ", 1)

    def fetch(self, package: str, into: Path) -> None:
        """Download the newest source package."""
        self.update()
        tools.run(["apt-get", "source", "-q", "--download-only", package], cwd=into,
                  env={"APT_CONFIG": str(self.home / "apt.conf")},
                  what=f"downloading the source of {package} ({self.name})")


def _recipe(name: str, record: Record) -> Recipe:
    found = Recipe(name=name, arch=record.text("arch"), suite=record.text("suite"),
                   lacks=record.text("lacks"), file=record.text("file"),
                   after=record.text("after"), insert=record.text("insert"))
    record.done()
    return found


@cache
def recipes() -> dict[str, Recipe]:
    """Every emulator that can be built, by name."""
    return {name: _recipe(name, record)
            for name, record in load(CONFIGS / "emulators.toml").tables().items()}


def recipe(name: str) -> Recipe:
    """The recipe of that name."""
    if name not in recipes():
        raise UsageError(f"unknown emulator '{name}'; configs/emulators.toml has: "
                         f"{', '.join(recipes())}")
    return recipes()[name]


def home_of(name: str) -> Path:
    """Where a built emulator is, if it was built."""
    return cache_dir() / "emulators" / f"built-{recipe(name).name}"


def built(name: str) -> Path | None:
    """The binary of an emulator, or None when it was not built yet."""
    binary = home_of(name) / config.arch(recipe(name).arch).qemu_binary
    return binary if binary.exists() else None


def change(wanted: Recipe, source: Path) -> None:
    """Make the recipe's one change in an unpacked source, or say why it does not fit."""
    path = source / wanted.file
    lines = path.read_text().splitlines()
    if lines.count(wanted.after) != 1:
        raise BuildError(f"{wanted.name}: {wanted.file} of {wanted.suite}'s QEMU has the line "
                         f"'{wanted.after}' {lines.count(wanted.after)} times, not once; see "
                         "configs/emulators.toml")
    start = lines.index(wanted.after) + 1
    if wanted.insert in lines[start:lines.index("};", start)]:
        raise BuildError(f"{wanted.name}: {wanted.suite}'s QEMU has '{wanted.insert.strip()}' "
                         "by itself; see configs/emulators.toml")
    lines.insert(start, wanted.insert)
    path.write_text("\n".join(lines) + "\n")


def build(name: str) -> Path:
    """Build an emulator unless it is there; its binary."""
    wanted = recipe(name)
    arch = config.arch(wanted.arch)
    target = home_of(name)
    with locked(target.parent / f"{target.name}.lock"):
        found = built(name)
        if found:
            return found
        log = cache_dir() / "logs" / f"emulator-{name}.log"
        root = target.parent / f".root-{name}"
        shutil.rmtree(root, ignore_errors=True)
        try:
            _make_root(wanted, root)
            source = _source(wanted, root)
            change(wanted, source)
            inside = source.relative_to(root)
            tools.run(["chroot", root, "sh", "-ec",
                       f"cd /{inside} && mkdir build && cd build && ../configure "
                       f"--target-list={wanted.arch}-softmmu {' '.join(CONFIGURE)} && "
                       f"ninja -j{os.cpu_count() or 1} {arch.qemu_binary}"],
                      log=log, error=BuildError, what=f"building the emulator {name}")
            with new_directory(target) as work:
                shutil.copy(source / "build" / arch.qemu_binary, work / arch.qemu_binary)
                for library in _libraries(root, f"/{inside}/build/{arch.qemu_binary}"):
                    shutil.copy(root / library.lstrip("/"), work)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return target / arch.qemu_binary


def _libraries(root: Path, binary: str) -> list[str]:
    """What the binary is linked with and its dynamic loader, as paths inside the root."""
    listing = tools.run(["chroot", root, "ldd", binary])
    return re.findall(r"(/\S+\.so\S*) \(0x", listing)


def _make_root(wanted: Recipe, root: Path) -> None:
    suite = Suite(wanted.suite, config.arch(HOST_ARCH).debian)
    suite.update()
    suite.make_root(root, BUILD_PACKAGES,
                    what=f"making the build root for the emulator {wanted.name}")


def _source(wanted: Recipe, root: Path) -> Path:
    """Debian's QEMU source with Debian's patches, unpacked in the build root."""
    place = root / "src"
    place.mkdir()
    _SourceSuite(wanted.suite, "source").fetch("qemu", place)
    description = next(place.glob("*.dsc"))
    tools.run(["chroot", root, "dpkg-source", "-x", f"/src/{description.name}", "/src/qemu"],
              what=f"unpacking {description.name}")
    return place / "qemu"

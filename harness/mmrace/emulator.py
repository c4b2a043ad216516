# SPDX-License-Identifier: GPL-2.0
"""The emulator of an architecture: the host's, or one from a newer suite where the host's is wrong.

An architecture's record names a suite when the host's own QEMU breaks the architecture's rules in
a way that a race would take for a kernel bug. That QEMU and the libraries it needs are unpacked
into the cache and started with their own dynamic loader; nothing is installed on the host.
"""

from functools import cache
from pathlib import Path

from mmrace import config, emulator_build, tools
from mmrace.archive import Suite, unpack
from mmrace.buildroot import HOST_ARCH
from mmrace.config import Arch
from mmrace.errors import InfraError, MissingError
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir


def _fetch(suite: Suite, package: str, home: Path) -> None:
    with new_directory(home) as work:
        empty = work / "empty"
        (empty / "var/lib/dpkg").mkdir(parents=True)
        (empty / "var/lib/dpkg/status").touch()
        # As in any merged-/usr system, so that every package's files land in one place.
        for name in ("bin", "lib", "lib64", "sbin"):
            (work / "usr" / name).mkdir(parents=True)
            (work / name).symlink_to(f"usr/{name}")
        for deb in suite.download_missing(package, empty, work / "debs"):
            unpack(deb, work)
            deb.unlink()
        tools.run(["rm", "-rf", work / "usr/share/doc", work / "usr/share/locale",
                   work / "usr/share/man"])


def _built(arch: Arch, name: str) -> tuple[str, ...]:
    """The words that start an emulator of configs/emulators.toml, with the packaged firmware."""
    binary = emulator_build.built(name)
    if binary is None:
        raise MissingError(f"the emulator {name}, which has {emulator_build.recipe(name).lacks}, "
                           f"is not built; build it with: make emulator NAME={name}")
    packaged = command(arch)
    firmware = packaged[packaged.index("-L"):] if "-L" in packaged else ()
    loader = next(iter(sorted(binary.parent.glob("ld-linux-*.so.*"))))
    return (str(loader), "--library-path", str(binary.parent), str(binary), *firmware)


@cache
def command(arch: Arch, name: str = "") -> tuple[str, ...]:
    """The words that start the architecture's QEMU, or the built emulator of that name."""
    if name:
        return _built(arch, name)
    if not arch.qemu_suite:
        return (tools.need(arch.qemu_binary, arch.qemu_package),)
    suite = Suite(arch.qemu_suite, config.arch(HOST_ARCH).debian)
    base = cache_dir() / "emulators"
    with locked(base / "lock"):
        suite.update()
        # Without an epoch's colon, which would end an entry of the library path.
        release = suite.version(arch.qemu_package).replace(":", "_")
        home = base / f"{arch.qemu_package}-{arch.qemu_suite}-{release}"
        if not home.exists():
            _fetch(suite, arch.qemu_package, home)
    loader = next(iter(sorted((home / "usr/lib64").glob("ld-linux-*.so.*"))), None)
    if loader is None:
        raise InfraError(f"{home} has no dynamic loader; remove it to have it fetched anew")
    libraries = [home / "usr/lib/x86_64-linux-gnu", home / "usr/lib"]
    return (str(loader), "--library-path", ":".join(map(str, libraries)),
            str(home / "usr/bin" / arch.qemu_binary), "-L", str(home / "usr/share/qemu"),
            "-L", str(home / "usr/share/seabios"))


@cache
def version(arch: Arch, name: str = "") -> str:
    """What the emulator calls its version."""
    first = tools.run([*command(arch, name), "--version"]).splitlines()[0]
    return first.removeprefix("QEMU emulator version ") + (f", {name}" if name else "")

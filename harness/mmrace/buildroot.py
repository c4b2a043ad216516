# SPDX-License-Identifier: GPL-2.0
"""Build roots: a directory with a suite's own compiler, and what kernels and modules need besides.

A module must be built with the compiler family and kbuild tools of its kernel, and those of a
newer suite need a newer C library than the host may have. One mechanism serves all: a minimal
Debian of the kernel's suite in a directory, entered with chroot. A root for a packaged kernel
holds its headers and is named after its version, one for building kernels is named after the
compiler's: a new version makes a new root, and nothing in one ever goes stale.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from mmrace import config, tools
from mmrace.archive import Suite, unpack
from mmrace.config import Arch
from mmrace.errors import InfraError
from mmrace.kernel import Kernel
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir

HOST_ARCH = "x86_64"


# Where a kernel's source and build directory are mounted: the same place for every kernel, so that
# the compiler cache serves them all and a build directory stays good.
SOURCE, OUTPUT, CCACHE = "/mmrace/src", "/mmrace/out", "/mmrace/ccache"
# And where a module's sources are.
MODULE = "/mmrace/module"


@dataclass(frozen=True)
class BuildRoot:
    """A build root that can build against one kernel.

    `kdir` is the kernel's build directory as seen from inside, `make_args` what make must be
    told about architecture and compiler, `mounts` what is mounted inside while a command runs.
    """

    home: Path
    kdir: str
    make_args: tuple[str, ...]
    mounts: tuple[tuple[Path, str], ...] = ()

    def enter(self, *more: tuple[Path, str]) -> list[str | Path]:
        """The start of a command line that runs the rest of it inside, with more mounts.

        objtool of 7.2 reads its stack limit from /proc. make names its job queue in /tmp after
        its process id, which is small and the same for every command: each has a /tmp of its own.
        The kernel ends all of it when this process dies, however it dies: two builds in one
        directory would spoil it.
        """
        mounts = (*self.mounts, *more)
        for _, inside in mounts:
            (self.home / inside.lstrip("/")).mkdir(parents=True, exist_ok=True)
        binds = "".join(f"mount --bind {shlex.quote(str(source))} "
                        f"{shlex.quote(f'{self.home}{inside}')} && " for source, inside in mounts)
        return [tools.need("setpriv", "util-linux"), "--pdeathsig", "KILL",
                "unshare", "--mount", "--pid", "--fork", "--kill-child",
                f"--mount-proc={self.home}/proc", "sh", "-c",
                f'mount -t tmpfs tmpfs "$0/tmp" && {binds}exec chroot "$0" "$@"', self.home]


def _compiler(depends: list[str]) -> str:
    """`gcc-14` out of a headers package's dependencies (linux-compiler-gcc-12-x86, gcc-14-...)."""
    for dep in depends:
        match = re.search(r"gcc-(\d+)", dep)
        if match:
            return f"gcc-{match.group(1)}"
    raise InfraError(f"no compiler named among the headers' dependencies: {' '.join(depends)}")


def _create(suite: Suite, packages: list[str], home: Path) -> None:
    with new_directory(home) as work:
        suite.make_root(work, packages,
                        "--dpkgopt=path-exclude=/usr/share/doc/*",
                        "--dpkgopt=path-exclude=/usr/share/man/*",
                        "--dpkgopt=path-exclude=/usr/share/locale/*",
                        "--aptopt=Acquire::Languages \"none\"",
                        log=cache_dir() / "logs" / f"{home.name}.log",
                        what=f"making the build root for {suite.name}")


# The kernel asks scripts/checker-valid.sh whether C=2 can work (Makefile of 7.2), and Debian's
# headers leave it out. The same question, asked here: can the checker read a file so?
CHECKER_VALID = """#!/bin/sh
file=$(mktemp --suffix=.c) && echo 'extern int x;' > "$file"
"$@" "$file" > /dev/null 2>&1 && echo 1
rm -f "$file"
"""


def _complete_headers(home: Path) -> None:
    for common in (home / "usr/src").glob("linux-headers-*-common"):
        script = common / "scripts/checker-valid.sh"
        if not script.exists():
            script.write_text(CHECKER_VALID)
            script.chmod(0o755)


def _add_foreign(home: Path, suite: Suite, arch: Arch, kernel: Kernel, compiler: str) -> None:
    """Headers of another architecture and a compiler for it, into the root of the host's.

    dpkg would want the foreign kbuild tools; those of the host's architecture are already there
    and are the ones that run. So the packages are unpacked without it, and nothing that is
    unpacked here needs a maintainer script.
    """
    marker = home / f"var/lib/mmrace-{arch.name}-{kernel.release}"
    if marker.exists():
        return
    foreign = Suite(suite.name, arch.debian)
    foreign.update()
    debs = foreign.download([f"linux-headers-{kernel.release}"], home / "tmp/foreign")
    for deb in debs:
        unpack(deb, home)
        deb.unlink()
    _add_package(f"{compiler}-{arch.gnu.replace('_', '-')}", suite, home)
    marker.touch()


def _add_package(package: str, suite: Suite, home: Path) -> None:
    for deb in suite.download_missing(package, home, home / "tmp/added"):
        unpack(deb, home)
        deb.unlink()


def _for_package(kernel: Kernel) -> BuildRoot:
    arch = config.arch(kernel.arch)
    host = config.arch(HOST_ARCH)
    suite = Suite(kernel.suite, host.debian)
    home = cache_dir() / "buildroots" / f"{kernel.suite}-{kernel.version}"
    with locked(home.parent / f"{home.name}.lock"):
        suite.update()
        plain = config.debian_kernels()[kernel.suite]
        headers = [dep for dep in suite.depends(plain.meta("headers", host))
                   if dep.startswith("linux-headers-")]
        compiler = _compiler(suite.depends(headers[0]))
        if not home.exists():
            _create(suite, ["make", "sparse", compiler, headers[0]], home)
            _complete_headers(home)
        if arch.name != HOST_ARCH:
            _add_foreign(home, suite, arch, kernel, compiler)
    return BuildRoot(home, f"/usr/src/linux-headers-{kernel.release}", () if arch == host else (
        f"DEB_HOST_ARCH={arch.debian}", f"DEB_BUILD_ARCH={host.debian}",
        f"DEB_HOST_GNU_TYPE={arch.gnu}"))


# What building a kernel takes, beside the compiler for another architecture (added when asked for).
KERNEL_TOOLS = ["gcc", "make", "sparse", "ccache", "flex", "bison", "bc", "perl", "python3",
                "libelf-dev", "libssl-dev", "kmod", "cpio", "gzip", "xz-utils"]


def for_source(suite_name: str, arch: Arch, source: Path, output: Path) -> BuildRoot:
    """The build root of a suite's own compiler, with a source tree and a build directory in it."""
    host = config.arch(HOST_ARCH)
    suite = Suite(suite_name, host.debian)
    base = cache_dir() / "buildroots"
    ccache = cache_dir() / "ccache"
    ccache.mkdir(parents=True, exist_ok=True)
    with locked(base / f"{suite_name}-toolchain.lock"):
        suite.update()
        home = base / f"{suite_name}-gcc-{suite.version('gcc').replace(':', '_')}"
        if not home.exists():
            _create(suite, KERNEL_TOOLS, home)
        prefix = "" if arch == host else f"{arch.gnu}-"
        if prefix and not (home / f"usr/bin/{prefix}gcc").exists():
            _add_package(f"gcc-{arch.gnu.replace('_', '-')}", suite, home)
    return BuildRoot(home, OUTPUT,
                     (f"ARCH={arch.kernel_arch}", f"CROSS_COMPILE={prefix}",
                      f"CC=ccache {prefix}gcc"),
                     ((source, SOURCE), (output, OUTPUT), (ccache, CCACHE)))


def for_kernel(kernel: Kernel) -> BuildRoot:
    """The build root in which a module is built for a kernel, made when it is not there."""
    if kernel.headers.is_dir():
        return for_source(kernel.suite, config.arch(kernel.arch), kernel.headers / "src",
                          kernel.headers / "out")
    return _for_package(kernel)

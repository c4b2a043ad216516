# SPDX-License-Identifier: GPL-2.0
"""Build roots: a directory with a suite's own compiler, kbuild tools and kernel headers.

A module must be built with the compiler family and kbuild tools of its kernel, and those of a
newer suite need a newer C library than the host may have. One mechanism serves all: a minimal
Debian of the kernel's suite in a directory, entered with chroot. It is named after the kernel
version, so a new kernel makes a new root and nothing in it ever goes stale.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from mmrace import config, tools
from mmrace.archive import Suite, archive_url, transport_options, unpack
from mmrace.config import Arch
from mmrace.errors import InfraError
from mmrace.kernels import Kernel
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir

HOST_ARCH = "x86_64"


@dataclass(frozen=True)
class BuildRoot:
    """A build root that holds the headers of one kernel."""

    home: Path
    kernel: Kernel
    compiler: str

    @property
    def kdir(self) -> str:
        """The kernel's build directory, as seen from inside."""
        return f"/usr/src/linux-headers-{self.kernel.release}"

    def enter(self) -> list[str | Path]:
        """The start of a command line that runs the rest of it inside.

        objtool of 7.2 reads its stack limit from /proc; it is mounted for this command alone.
        """
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                f"--mount-proc={self.home}/proc", "chroot", self.home]


def _compiler(depends: list[str]) -> str:
    """`gcc-14` out of a headers package's dependencies (linux-compiler-gcc-12-x86, gcc-14-...)."""
    for dep in depends:
        match = re.search(r"gcc-(\d+)", dep)
        if match:
            return f"gcc-{match.group(1)}"
    raise InfraError(f"no compiler named among the headers' dependencies: {' '.join(depends)}")


def _create(suite: Suite, compiler: str, headers: list[str], home: Path) -> None:
    keep = ["make", "sparse", compiler, *headers]
    with new_directory(home) as work:
        tools.run(["mmdebstrap", "--quiet", "--variant=essential",
                   f"--architectures={suite.debian_arch}", f"--include={','.join(keep)}",
                   "--dpkgopt=path-exclude=/usr/share/doc/*",
                   "--dpkgopt=path-exclude=/usr/share/man/*",
                   "--dpkgopt=path-exclude=/usr/share/locale/*",
                   "--aptopt=Acquire::Languages \"none\"", *transport_options(),
                   suite.name, work, suite.source_line(archive_url()).strip()],
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
    cross = f"{compiler}-{arch.gnu.replace('_', '-')}"
    for deb in suite.download_missing(cross, home, home / "tmp/cross"):
        unpack(deb, home)
        deb.unlink()
    marker.touch()


def for_kernel(kernel: Kernel) -> BuildRoot:
    """The build root of a Debian kernel, made when it is not there."""
    arch = config.arch(kernel.arch)
    host = config.arch(HOST_ARCH)
    suite = Suite(kernel.suite, host.debian)
    home = cache_dir() / "buildroots" / f"{kernel.suite}-{kernel.version}"
    with locked(home.parent / f"{home.name}.lock"):
        suite.update()
        headers = [dep for dep in suite.depends(host.meta_headers)
                   if dep.startswith("linux-headers-")]
        compiler = _compiler(suite.depends(headers[0]))
        if not home.exists():
            _create(suite, compiler, headers[:1], home)
            _complete_headers(home)
        if arch.name != HOST_ARCH:
            _add_foreign(home, suite, arch, kernel, compiler)
    return BuildRoot(home, kernel, compiler)

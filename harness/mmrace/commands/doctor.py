# SPDX-License-Identifier: GPL-2.0
"""./mmrace doctor: what this machine can and cannot run, and why."""

import argparse
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from mmrace import archive, config, hosts, paths
from mmrace.errors import InfraError, MmraceError
from mmrace.machines.ssh import Remote

HELP = "what this machine can and cannot run, and why"
EPILOG = """\
exit codes: 0 guests of this machine's architecture can be run; 128 they cannot.

example:
  ./mmrace doctor
"""

# Kernel, build root and logs of one suite take about 1.2 GB; two suites are the first run.
CACHE_WANTED_BYTES = 3 << 30

HOST_TOOLS = {"make": "make", "gcc": "gcc", "cpio": "cpio", "depmod": "kmod",
              "mke2fs": "e2fsprogs", "mmdebstrap": "mmdebstrap", "zstd": "zstd",
              "setpriv": "util-linux"}


def add_arguments(_: argparse.ArgumentParser) -> None:
    """There are no options."""


def _has(program: str) -> bool:
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


def _free(place: Path) -> int | None:
    """Bytes that are free where a directory is or would be made; None if it cannot be written."""
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        return None
    return shutil.disk_usage(place).free


def _host() -> Iterator[tuple[bool, str]]:
    for tool, package in HOST_TOOLS.items():
        if not _has(tool):
            yield False, f"{tool} is missing: apt-get install {package}"
    yield os.geteuid() == 0, ("root: build roots can be made" if os.geteuid() == 0 else
                              "not root: build roots (mmdebstrap, chroot) need root")
    try:
        yield True, f"Debian archive: {archive.archive_url()}"
    except MmraceError as error:
        yield False, str(error)
    free = _free(paths.cache_dir())
    yield free is not None and free >= CACHE_WANTED_BYTES, (
        f"cache {paths.cache_dir()}: no directory that can be written; set MMRACE_CACHE"
        if free is None else f"cache {paths.cache_dir()}: {free >> 20} MiB free, a first run takes "
        f"about {CACHE_WANTED_BYTES >> 20} MiB")
    free = _free(paths.runs_dir())
    yield free is not None, (
        f"run directories {paths.runs_dir()}: no directory that can be written; set MMRACE_RUNS"
        if free is None else f"run directories {paths.runs_dir()}: {free >> 20} MiB free")


def _arch(name: str) -> tuple[bool, str]:
    arch = config.arch(name)
    missing = []
    if not arch.qemu_suite and not _has(arch.qemu_binary):
        missing.append(arch.qemu_package)
    if name != os.uname().machine and not _has(f"{arch.gnu}-gcc"):
        missing.append(f"gcc-{arch.gnu.replace('_', '-')}")
    if missing:
        return False, f"guests of {name}: no; apt-get install {' '.join(missing)}"
    source = f", QEMU of {arch.qemu_suite} from the archive" if arch.qemu_suite else ""
    return True, f"guests of {name}: yes, emulated (TCG){source}"


def _local() -> tuple[bool, str]:
    release = os.uname().release
    if not Path("/proc/modules").exists():
        return False, f"--on local with the module: no; kernel {release} has no loadable modules"
    if not Path(f"/lib/modules/{release}/build/Makefile").exists():
        return False, f"--on local with the module: no; apt-get install linux-headers-{release}"
    return True, f"--on local with the module: yes, kernel {release}"


def _real(host: hosts.Host) -> tuple[bool, str]:
    """Whether a host answers now, and where its module would come from."""
    try:
        facts = Remote(host).facts(0)
    except InfraError as error:
        return False, str(error)
    if facts.machine != host.arch:
        return False, f"--on ssh:{host.name}: it is {facts.machine}, its record says {host.arch}"
    place = "host" if host.module == "auto" and facts.headers else host.module
    module = {"host": "mmrace.ko is built there", "none": "without the module, as its record says",
              "here": "mmrace.ko is built here",
              "auto": "no headers there, so mmrace.ko is built here if a Debian suite has this "
                      "kernel as its newest"}[place]
    good = place != "host" or facts.headers
    return good, (f"--on ssh:{host.name}: {facts.machine}, kernel {facts.release}; "
                  + (module if good else
                     f"no headers: install linux-headers-{facts.release} there"))


def main(_: argparse.Namespace) -> int:
    """Print what was found."""
    console = Console()
    host = list(_host())
    guests = {name: _arch(name) for name in config.arch_names()}
    real = map(_real, hosts.hosts().values())
    for good, text in itertools.chain(host, guests.values(), [_local()], real):
        console.print(f"{'[green]ok[/]  ' if good else '[red]no[/]  '} {escape(text)}",
                      highlight=False, soft_wrap=True)
    own = guests.get(os.uname().machine, (False, ""))[0]
    return 0 if own and all(good for good, _ in host) else 128

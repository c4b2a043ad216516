# SPDX-License-Identifier: GPL-2.0
"""Running other programs: a missing one is named with its package, a failing one shows its end."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmrace.errors import InfraError, MmraceError

PACKAGE_OF = {
    "apt-cache": "apt", "apt-config": "apt", "apt-get": "apt", "cpio": "cpio",
    "depmod": "kmod", "dpkg-deb": "dpkg", "gcc": "gcc",
    "make": "make", "mke2fs": "e2fsprogs", "mmdebstrap": "mmdebstrap", "modprobe": "kmod",
    "tar": "tar", "unshare": "util-linux", "zstd": "zstd",
}


def need(program: str, package: str | None = None) -> str:
    """The path of a program, or an error that says which Debian package has it."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = shutil.which(program, path=search)
    if found:
        return found
    package = package or PACKAGE_OF.get(program, program)
    raise InfraError(f"{program} is not installed; install it with: apt-get install {package}")


def run(command: Sequence[str | Path], *, cwd: Path | None = None,
        env: Mapping[str, str] | None = None, log: Path | None = None,
        error: type[MmraceError] = InfraError, what: str = "") -> str:
    """Run a program to its end and return its stdout.

    A failure raises `error` with the last lines that it printed; `log` keeps all of them.
    """
    argv = [need(str(command[0])), *map(str, command[1:])]
    done = subprocess.run(argv, cwd=cwd, env=None if env is None else {**os.environ, **env},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"$ {' '.join(argv)}\n{done.stdout}{done.stderr}")
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()
        if "No space left on device" in output:
            raise InfraError(f"{what or command[0]} failed: no space left on device; free some, or "
                             "move the cache with MMRACE_CACHE and the runs with MMRACE_RUNS")
        tail = output.splitlines()[-12:]
        if argv[0].endswith("apt-get"):
            tail = [line for line in tail if line.startswith(("E:", "W:"))] or tail
        kept = f" (all of it: {log})" if log else ""
        raise error(f"{what or command[0]} failed with exit code {done.returncode}{kept}:\n  "
                    + "\n  ".join(tail))
    return done.stdout

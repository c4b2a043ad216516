# SPDX-License-Identifier: GPL-2.0
"""trace-cmd, perf, bpftrace and dkms of Debian, with the module, in a guest of their kernel.

MMRACE_TOOLS=1 runs it: their root file system is 1.5 GB and takes minutes to make, once.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mmrace import config, kernels, tools
from mmrace.archive import Suite
from mmrace.kernels import Kernel
from mmrace.locks import locked, new_directory
from mmrace.paths import TREE, cache_dir
from tests.guest_programs import guest

pytestmark = [pytest.mark.guest, pytest.mark.skipif(
    not os.environ.get("MMRACE_TOOLS"), reason="MMRACE_TOOLS=1 runs it: it fetches 500 MB")]

PACKAGES = ("trace-cmd", "linux-perf", "bpftrace", "dkms", "make", "kmod")
DEEDS = "/mmrace/races/deeds /scratch/ext4-brd 1"
SAYS = {
    "trace-cmd": f"cd /tmp && trace-cmd record -q -e mmrace -o t.dat {DEEDS} > /dev/null 2>&1; "
                 "trace-cmd report -i t.dat | grep -m1 'probe_hit: *mm.exit mm='",
    "perf": f"cd /tmp && perf record -q -a -e mmrace:probe_hit -o p.dat {DEEDS} > /dev/null 2>&1; "
            "perf script -i p.dat | grep -m1 'mmrace:probe_hit: mm.exit mm='",
    "bpftrace": "bpftrace -e 'tracepoint:mmrace:probe_hit { @[args.name] = count(); }' "
                f"-c '{DEEDS}' | grep -m1 '@.mm.exit.: [1-9]'",
}


def _root(kernel: Kernel) -> Path:
    """Debian's tools and the kernel's headers, installed once."""
    home = cache_dir() / "tools" / f"trixie-{kernel.version}"
    suite = Suite("trixie", config.arch("x86_64").debian)
    suite.update()
    home.parent.mkdir(parents=True, exist_ok=True)
    with locked(home.parent / f"{home.name}.lock"):
        if not home.exists():
            with new_directory(home) as work:
                suite.make_root(work, [*PACKAGES, f"linux-headers-{kernel.release}"],
                                what="making the tools' root file system")
    return home


def _disk(kernel: Kernel, work: Path) -> Path:
    """An image of the root, in which DKMS has built and installed the module."""
    root, image = work / "root", work / "disk.img"
    subprocess.run(["cp", "-a", _root(kernel), root], check=True)
    source = root / "usr/src/tree"
    source.mkdir()
    for part in ("module", "include", "dkms"):
        shutil.copytree(TREE / part, source / part)
    for part in ("Makefile", "COPYING"):
        shutil.copy(TREE / part, source)
    tools.run(["chroot", root, "make", "-C", "/usr/src/tree", "dkms-install",
               f"DKMS_KERNEL={kernel.release}"], what="make dkms-install")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, image, "4G"], check=True)
    shutil.rmtree(root)
    return image


def test_debians_tools_see_the_module(tmp_path: Path) -> None:
    kernel = kernels.resolve("debian:trixie", config.arch("x86_64"))
    disk = _disk(kernel, tmp_path)
    with guest("debian:trixie", "x86_64", ["deeds", "inside"], tmp_path, disk=disk) as machine:
        def inside(command: str) -> list[str]:
            status, lines = machine.run(["inside", "/dev/vda", command], 180)
            print(command, *lines, sep="\n")
            assert status == 0, "\n".join(lines)
            return lines

        for tool, command in SAYS.items():
            assert inside(command), tool
        assert machine.agent.request("rmmod", "mmrace")["ok"]
        # The module that DKMS installed, found and unpacked by modprobe.
        inside("modprobe mmrace && modinfo -n mmrace | grep updates/dkms")
        assert machine.module.pairs("version")["kernel"] == kernel.release
        assert machine.splats() == []
    disk.unlink()

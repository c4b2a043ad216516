# SPDX-License-Identifier: GPL-2.0
"""Disks that hold Debian's packages for a guest of any architecture.

Nothing of them runs here: packages are unpacked, not configured. A guest starts what they hold with
chroot.
"""

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mmrace import tools
from mmrace.archive import Suite
from mmrace.config import Arch, Variant
from mmrace.locks import locked
from mmrace.paths import cache_dir

# What any program wants around itself, and a shell.
BASE = ("base-files", "coreutils", "dash")


def image(suite_name: str, arch: Arch, packages: Iterable[str], size: str) -> Path:
    """An ext4 image of packages and what they need, made once; `size` as mke2fs takes it."""
    packages = tuple(packages)
    path = cache_dir() / "tools" / f"{'-'.join(packages)}-{suite_name}-{arch.debian}.img"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            suite = Suite(suite_name, arch.debian)
            suite.update()
            with tempfile.TemporaryDirectory(dir=path.parent) as work:
                root, new = Path(work) / "root", Path(work) / "new.img"
                suite.make_root(root, (*BASE, *packages), "--skip=check/qemu", variant="extract",
                                what=f"making the disk of {' and '.join(packages)}")
                for part in (root / "var/cache/apt", root / "var/lib/apt/lists"):
                    shutil.rmtree(part, ignore_errors=True)
                tools.run(["mke2fs", "-q", "-t", "ext4", "-d", root, new, size])
                new.rename(path)
    return path


def with_disk(variant: Variant, arch: Arch, disk: Path) -> Variant:
    """The variant with an image as /dev/vda; what a guest writes to it is lost."""
    return replace(variant, modules=(*variant.modules, "virtio_blk"), qemu_args=(
        *variant.qemu_args, "-device", f"virtio-blk-{arch.bus},drive=disk",
        "-drive", f"file={disk},format=raw,if=none,id=disk,snapshot=on"))

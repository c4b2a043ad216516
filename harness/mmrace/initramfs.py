# SPDX-License-Identifier: GPL-2.0
"""The guest's whole user space: the agent as /init, modules, races, scratch images, a plan."""

import hashlib
import json
import lzma
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from mmrace import build, config, tools
from mmrace.config import Arch, Scratch
from mmrace.errors import InfraError
from mmrace.kernels import Kernel
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir


# What a scratch image is cut into, in bytes.
IMAGE_BLOCK = 4096

# How many images the cache keeps (some 20 MiB each; every change of a race makes one a kernel),
# and how long one that was used is certainly kept, in seconds.
KEPT = 100
IN_USE_S = 3600.0


def module_files(kernel: Kernel, name: str) -> list[Path]:
    """A module and what it needs, in loading order; empty when it is built in.

    A name that ends in `?` may be missing from this kernel (drivers come and go by version).
    """
    optional = name.endswith("?")
    done = subprocess.run(
        [tools.need("modprobe"), "-d", str(kernel.modules_root), "-S", kernel.release,
         "--show-depends", name.rstrip("?")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        if optional:
            return []
        raise InfraError(f"kernel {kernel.release} {kernel.arch} has no module {name}: "
                         f"{done.stderr.strip()}")
    return [Path(line.split()[1]) for line in done.stdout.splitlines()
            if line.startswith("insmod ")]


def scratch_image(scratch: Scratch) -> Path:
    """The file system image that the agent copies to the scratch device, made once."""
    key = hashlib.sha256(json.dumps([scratch.mkfs, scratch.size_mib, IMAGE_BLOCK]).encode()
                         ).hexdigest()[:12]
    image = cache_dir() / "scratch" / f"{scratch.name}-{key}.img"
    with locked(image.with_suffix(".lock")):
        if not image.exists():
            work = image.with_suffix(".new")
            with work.open("wb") as file:
                file.truncate(scratch.size_mib << 20)
            tools.run([*scratch.mkfs, work], what=f"making the {scratch.name} image")
            work.write_bytes(_sparse(work.read_bytes()))
            work.rename(image)
    return image


def _sparse(image: bytes) -> bytes:
    """An image without its zeros, as the agent takes it (docs/contracts.md, section 3)."""
    zero = bytes(IMAGE_BLOCK)
    blocks = ((at, image[at:at + IMAGE_BLOCK]) for at in range(0, len(image), IMAGE_BLOCK))
    return b"".join(struct.pack("<Q", at) + block for at, block in blocks if block != zero)


class _Tree:
    """An initramfs under construction."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plan: list[str] = []
        self._modules: set[str] = set()
        for part in ("mmrace/modules", "mmrace/races", "dev", "proc", "sys", "tmp", "scratch"):
            (root / part).mkdir(parents=True)

    def add(self, source: Path, target: str) -> None:
        """Copy one file; an .xz one is unpacked, since not every kernel can do that itself."""
        path = self.root / target
        if source.suffix == ".xz":
            path.write_bytes(lzma.decompress(source.read_bytes()))
        else:
            shutil.copy(source, path)
        path.chmod(0o755)

    def add_module(self, kernel: Kernel, line: str) -> None:
        """Add a kernel module with its dependencies to files and plan; `line`: NAME [PARAMS]."""
        name, _, params = line.partition(" ")
        files = module_files(kernel, name)
        for index, source in enumerate(files):
            target = f"mmrace/modules/{source.name.removesuffix('.xz')}"
            if target in self._modules:
                continue
            self._modules.add(target)
            self.add(source, target)
            last = index == len(files) - 1
            self.plan.append(f"module /{target} {params if last else ''}".strip())


def _fill(tree: _Tree, kernel: Kernel, arch: Arch, modules: tuple[str, ...],
          ko: Path | None, script: tuple[str, ...]) -> None:
    tree.add(build.agent(arch), "init")
    if script:
        (tree.root / "mmrace/commands").write_text("\n".join(script) + "\n")
    else:
        for name in arch.modules:
            tree.add_module(kernel, name)
        tree.plan.append("ports")
    for name in modules:
        tree.add_module(kernel, name)
    for scratch in config.scratches().values():
        for name in scratch.modules:
            tree.add_module(kernel, name)
        image = scratch_image(scratch)
        tree.add(image, f"mmrace/{scratch.name}.img")
        tree.plan.append(f"scratch {scratch.name} /mmrace/{scratch.name}.img {scratch.device} "
                         f"{scratch.fstype} /scratch/{scratch.name}")
    for binary in sorted(build.races(arch).iterdir()):
        if binary.is_file() and not binary.suffix:
            tree.add(binary, f"mmrace/races/{binary.name}")
    if ko:
        tree.add(ko, "mmrace/mmrace.ko")
        tools.run([tools.need(f"{arch.gnu}-strip", "binutils"), "--strip-debug",
                   tree.root / "mmrace/mmrace.ko"])
    (tree.root / "mmrace/plan").write_text("\n".join(tree.plan) + "\n")


def forget(home: Path) -> None:
    """Remove the images used longest ago when KEPT and more are there; the caller has the lock.

    One that was used within IN_USE_S may be about to boot, and stays.
    """
    used = sorted((path.stat().st_mtime, path) for path in home.glob("[!.]*") if path.is_dir())
    for when, path in used[:max(0, len(used) - KEPT + 1)]:
        if time.time() - when > IN_USE_S:
            shutil.rmtree(path)


def make(kernel: Kernel, ko: Path | None, modules: tuple[str, ...] = (),
         programs: tuple[Path, ...] = (), script: tuple[str, ...] = ()) -> Path:
    """The initramfs for a kernel with its module, the races and the agent, cached by content.

    `modules` are more of the kernel's own, `programs` more static binaries for /mmrace/races. With
    a `script` of the agent's commands the guest runs those, and its records go to its console.
    """
    arch = config.arch(kernel.arch)
    with tempfile.TemporaryDirectory(prefix="mmrace-initramfs-") as work:
        root = Path(work) / "root"
        tree = _Tree(root)
        _fill(tree, kernel, arch, modules, ko, script)
        for program in programs:
            tree.add(program, f"mmrace/races/{program.name}")
        key = hashlib.sha256()
        for path in sorted(root.rglob("*")):
            if path.is_file():
                key.update(str(path.relative_to(root)).encode() + path.read_bytes())
        home = cache_dir() / "initramfs" / key.hexdigest()[:16]
        with locked(home.parent / ".lock"):
            if home.exists():
                os.utime(home)
            else:
                forget(home.parent)
                names = "\0".join(str(path.relative_to(root))
                                  for path in sorted(root.rglob("*"))) + "\0"
                with new_directory(home) as target, (target / "initrd.cpio").open("wb") as out:
                    subprocess.run([tools.need("cpio"), "--null", "--create", "--format=newc",
                                    "--owner=0:0", "--quiet"], input=names.encode(), stdout=out,
                                   cwd=root, check=True)
        return home / "initrd.cpio"

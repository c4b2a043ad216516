# SPDX-License-Identifier: GPL-2.0
"""Kernels by name: a suite's newest package, or one that is built from sources (trees.py).

A kernel is a directory in the cache with the image, the modules a guest may need, and
`kernel.json`; what was downloaded once is used again until the suite has a newer one.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmrace import archive, config, kconfig, tools, trees, vmlinux
from mmrace.archive import Suite
from mmrace.config import Arch
from mmrace.errors import InfraError, UsageError
from mmrace.kernel import Kernel, upstream_version
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir
from mmrace.tree_source import DirectorySource, GitSource, PackageSource, Source

__all__ = ["FORMS", "Kernel", "parse_id", "resolve", "running"]

# What a guest of ours can need: block devices, swap targets, file systems, virtio, KVM. Sound,
# network and graphics drivers are most of a package and are left in it.
MODULE_TREES = ("arch", "crypto", "drivers/block", "drivers/char", "drivers/virtio",
                "drivers/misc", "drivers/crypto", "drivers/firmware",
                "drivers/s390", "fs", "lib", "mm", "virt")


@dataclass(frozen=True)
class KernelId:
    """A kernel's id taken apart; `name` is a suite or a path."""

    provider: str
    name: str
    revision: str = ""
    scenario: str = ""
    patch: Path | None = None


FORMS = "debian:SUITE[+FLAVOUR], source:SUITE[+SCENARIO] or tree:PATH[@REV][+SCENARIO]"
DEFAULT_SCENARIO = "slim"


def _suite(kernel_id: str, name: str, arch: Arch) -> str:
    known = config.debian_kernels()
    if name not in known:
        raise UsageError(f"unknown Debian suite '{name}' in '{kernel_id}'; configs/kernels.toml "
                         f"has: {', '.join(known)}")
    if arch.name not in known[name].arches:
        raise UsageError(f"{kernel_id} does not exist for {arch.name}, only for "
                         f"{', '.join(known[name].arches)}")
    return name


def _cut(text: str, separator: str) -> tuple[str, str]:
    head, found, tail = text.rpartition(separator)
    return (head, tail) if found and not Path(text).is_dir() else (text, "")


def parse_id(kernel_id: str, arch: Arch) -> KernelId:
    """What a kernel id names; anything unknown is a usage error that lists what is known.

    A patch to a source may follow its scenario after a comma: source:trixie+slim,FILE.
    """
    provider, _, rest = kernel_id.partition(":")
    if provider not in ("debian", "source", "tree") or not rest:
        raise UsageError(f"unknown kernel '{kernel_id}'; name one as {FORMS}")
    if provider == "debian":
        return KernelId(provider, _suite(kernel_id, rest, arch))
    # A path may hold any of the separators; a directory that is there is meant as it is.
    name, patch = _cut(rest, ",")
    name, scenario = _cut(name, "+")
    name, revision = _cut(name, "@")
    if patch and not Path(patch).is_file():
        raise UsageError(f"{kernel_id}: no such patch: {patch}")
    if provider == "source" and revision:
        raise UsageError(f"{kernel_id}: a suite's sources have no revisions; use tree:PATH@REV")
    if provider == "source":
        _suite(kernel_id, name, arch)
    elif not (Path(name) / "Makefile").is_file() and not revision:
        raise UsageError(f"{kernel_id}: {name} is not a kernel tree, it has no Makefile")
    return KernelId(provider, name, revision,
                    kconfig.check_scenario(scenario or DEFAULT_SCENARIO),
                    Path(patch) if patch else None)


def _source(wanted: KernelId) -> Source:
    if wanted.provider == "source":
        return PackageSource(wanted.name, wanted.patch)
    path = Path(wanted.name).resolve()
    if wanted.revision:
        return GitSource(path, wanted.revision, wanted.patch)
    return DirectorySource(path, wanted.patch)


def newest_release(suite: Suite, meta: str) -> tuple[str, list[str]]:
    """The kernel release behind a suite's meta-package, and the packages that make it up."""
    image = next((dep for dep in suite.depends(meta) if dep.startswith("linux-image-")), None)
    if image is None:
        raise InfraError(f"{meta} of {suite.name} depends on no linux-image package")
    release = image.removeprefix("linux-image-")
    # Since 7.x Debian splits the image: linux-binary-* has it, linux-modules-* the modules, and
    # linux-base-RELEASE the list of what is built in.
    parts = [dep for dep in suite.depends(image)
             if dep in (f"linux-binary-{release}", f"linux-modules-{release}",
                        f"linux-base-{release}")]
    return release, parts or [image]


def _unpack(deb: Path, into: Path) -> None:
    patterns = []
    for base in ("lib", "usr/lib"):
        patterns += [f"./{base}/modules/*/kernel/{tree}/*" for tree in MODULE_TREES]
        patterns.append(f"./{base}/modules/*/modules.*")
    patterns.append("./boot/vmlinu*")
    patterns.append("./usr/lib/modules/*/vmlinu*")
    archive.unpack(deb, into, patterns)


def _assemble(name: str, arch: Arch, release: str, packages: list[str], home: Path) -> None:
    suite = Suite(config.debian_kernels()[name].suite, arch.debian)
    with new_directory(home) as work:
        debs = suite.download(packages, work / "debs")
        unpacked = work / "unpacked"
        unpacked.mkdir()
        for deb in debs:
            _unpack(deb, unpacked)
            deb.unlink()
        images = [path for path in sorted(unpacked.rglob("vmlinu*"))
                  if path.is_file() and not path.name.endswith(".ko")]
        trees = [path for path in (unpacked / "lib/modules" / release,
                                   unpacked / "usr/lib/modules" / release) if path.is_dir()]
        if not images or not trees:
            raise InfraError(f"{' '.join(packages)}: no kernel image or no modules inside (is the "
                             "disk full?)")
        image = images[0].read_bytes()
        (work / "image").write_bytes(vmlinux.extract(image) if arch.image == "vmlinux" else image)
        (work / "lib/modules").mkdir(parents=True)
        trees[0].rename(work / "lib/modules" / release)
        for other in trees[1:]:
            tools.run(["cp", "-a", f"{other}/.", work / "lib/modules" / release])
        tools.run(["rm", "-rf", unpacked, work / "debs"])
        tools.run(["depmod", "-b", work, release], what=f"depmod for {release}")
        version = suite.version(packages[0])
        kernel = Kernel(id=f"debian:{name}", arch=arch.name, release=release,
                        version=version, upstream=upstream_version(version),
                        packages=tuple(f"{name}={version}" for name in packages),
                        home=str(home), suite=suite.name)
        (work / "kernel.json").write_text(json.dumps(asdict(kernel), indent=1))


def _load(home: Path, fresh: bool) -> Kernel:
    data: dict[str, Any] = json.loads((home / "kernel.json").read_text())
    data.update(packages=tuple(data["packages"]), home=str(home), fresh=fresh,
                suite=home.parent.parent.name.partition("-")[2].partition("+")[0])
    return Kernel(**data)


def resolve(kernel_id: str, arch: Arch) -> Kernel:
    """The kernel of that id for an architecture: from the cache, the archive, or a build.

    Raises TreeBuildError when a tree does not build.
    """
    wanted = parse_id(kernel_id, arch)
    if wanted.provider == "debian":
        return _resolve_package(wanted.name, arch)
    return trees.resolve(kernel_id, _source(wanted), arch, wanted.scenario)


def _resolve_package(name: str, arch: Arch) -> Kernel:
    """A suite's newest kernel, or newest of a flavour.

    When the archive cannot be reached, the newest cached kernel of the suite serves, and its
    `fresh` is False so that results can say so.
    """
    known = config.debian_kernels()[name]
    suite = Suite(known.suite, arch.debian)
    base = cache_dir() / "kernels" / f"debian-{name}" / arch.name
    with locked(base / "lock"):
        cached = sorted(base.glob("*/kernel.json"), key=lambda path: path.stat().st_mtime)
        try:
            fresh = suite.update()
            release, packages = newest_release(suite, known.meta("image", arch))
            home = base / f"{release}_{suite.version(packages[0])}"
        except InfraError:
            if not cached:
                raise
            return _load(cached[-1].parent, fresh=False)
        if not (home / "kernel.json").exists():
            _assemble(name, arch, release, packages, home)
        return _load(home, fresh)


def running() -> Kernel:
    """The kernel that this machine runs, for `--on local`."""
    uname = os.uname()
    return Kernel(id="running", arch=uname.machine, release=uname.release, version=uname.version,
                  upstream=upstream_version(uname.release), packages=(), home="/")

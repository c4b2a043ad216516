# SPDX-License-Identifier: GPL-2.0
"""Kernels that are built here: from a tree, or from a Debian suite's kernel sources.

The build is out of tree, in a build root with the compiler of the kernel's time. Its directory is
kept for each tree, architecture and scenario, so that the next commit costs what differs. What a
build gave is kept by content (sources, configuration, compiler) with all that a module needs to
be built against it, so that a kernel that was built once is there at once.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmrace import buildroot, config, kconfig, tools
from mmrace.buildroot import OUTPUT, SOURCE, BuildRoot
from mmrace.config import Arch, ImageBuild
from mmrace.errors import TreeBuildError
from mmrace.kernel import Kernel
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir
from mmrace.tree_source import Source

# Whatever is built from the same sources must be the same, so nothing of the moment is in it.
SETTINGS = ("KBUILD_BUILD_TIMESTAMP=1970-01-01", "KBUILD_BUILD_USER=mmrace",
            "KBUILD_BUILD_HOST=mmrace", "KBUILD_BUILD_VERSION=1", "LOCALVERSION=")
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "CCACHE_DIR": buildroot.CCACHE, "CCACHE_MAXSIZE": "10G",
               "CCACHE_DEPEND": "1", "PWD": "/"}

# What of a source tree and of a build directory an external module is built against. Links
# suffice for sources: nothing ever writes into a file of a copy, it is replaced.
SOURCE_PARTS = ("Makefile", "Kbuild", "scripts", "include", "arch/{arch}/include",
                "arch/{arch}/Makefile*", "arch/{arch}/Kbuild", "arch/{arch}/*/Makefile",
                "tools/objtool/Makefile")
OUTPUT_PARTS = ("Makefile", ".config", "Module.symvers", "include", "scripts",
                "arch/{arch}/include", "arch/powerpc/lib/crtsavres.o",
                "tools/objtool/objtool")

Teller = Callable[[str], None]


def _key(source: Source, arch: Arch, options: str, root: BuildRoot) -> str:
    parts = (source.content, arch.name, options, root.home.name,
             *arch.image_build(options).targets)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _load(home: Path, kernel_id: str) -> Kernel:
    data: dict[str, Any] = json.loads((home / "kernel.json").read_text())
    data.update(id=kernel_id, home=str(home), packages=tuple(data["packages"]),
                notes=tuple(data["notes"]))
    return Kernel(**data)


def resolve(kernel_id: str, source: Source, arch: Arch, scenario: str) -> Kernel:
    """The kernel of a source state, built if it was not before.

    Raises TreeBuildError, with the log's end, when the tree's configuration or build fails.
    """
    options = kconfig.as_text(kconfig.requested(arch.name, scenario))
    suite = config.toolchain_suite(source.version)
    output = source.slot / f"{arch.name}-{scenario}"
    root = buildroot.for_source(suite, arch, source.src, output)
    home = cache_dir() / "kernels" / "tree" / arch.name / _key(source, arch, options, root)
    # One that is there must not wait for another's build.
    if not (home / "kernel.json").exists():
        with locked(source.slot / "lock"):
            if not (home / "kernel.json").exists():
                output.mkdir(parents=True, exist_ok=True)
                source.bring()
                build = _Build(kernel_id, source, arch, scenario, root, output)
                build.run(home, suite, arch.image_build(options))
    return _load(home, kernel_id)


class _Build:
    """One build from start to end."""

    def __init__(self, kernel_id: str, source: Source, arch: Arch, scenario: str,
                 root: BuildRoot, output: Path) -> None:
        self._id = kernel_id
        self._source = source
        self._arch = arch
        self._scenario = scenario
        self._root = root
        self._output = output

    def _make(self, what: str, *words: str) -> None:
        log = cache_dir() / "logs" / f"{self._source.slot.name}-{self._output.name}-{what}.log"
        tools.run([*self._root.enter(), "make", "-C", SOURCE, f"O={OUTPUT}",
                   *self._root.make_args, *SETTINGS, f"-j{os.cpu_count() or 1}", *words],
                  env=ENVIRONMENT, log=log, error=TreeBuildError,
                  what=f"{what} of {self._id} for {self._arch.name}")

    def run(self, home: Path, suite: str, build: ImageBuild) -> None:
        """Configure, build, and keep what came of it in `home`."""
        notes = self._configure()
        self._make("build", *build.targets)
        shutil.rmtree(self._output / "install", ignore_errors=True)
        self._make("install", f"INSTALL_MOD_PATH={OUTPUT}/install", "modules_install")
        release = (self._output / "include/config/kernel.release").read_text().strip()
        with new_directory(home) as work:
            shutil.copyfile(self._output / build.image, work / "image")
            self._keep_modules(work, release)
            _keep_headers(self._source.src, self._output, work / "headers",
                          self._arch.kernel_arch)
            kernel = Kernel(
                id=self._id, arch=self._arch.name, release=release,
                version=f"{release}+{self._scenario}.{home.name}", upstream=self._source.version,
                packages=(), home=str(home), suite=suite,
                append=kconfig.boot_line(self._scenario), notes=notes)
            (work / "kernel.json").write_text(json.dumps(asdict(kernel), indent=1))

    def _configure(self) -> tuple[str, ...]:
        """Make the configuration; what was asked for and not granted.

        The old one stays when it is the same, or make would look at everything anew.
        """
        wanted = kconfig.requested(self._arch.name, self._scenario)
        (self._output / "mmrace.config").write_text(kconfig.as_text(wanted))
        new, old = self._output / "new.config", self._output / ".config"
        self._make("config", f"KCONFIG_ALLCONFIG={OUTPUT}/mmrace.config",
                   f"KCONFIG_CONFIG={OUTPUT}/{new.name}", "allnoconfig")
        text = new.read_text()
        if not old.exists() or old.read_text() != text:
            new.replace(old)
        return kconfig.unmet(wanted, kconfig.parse(text), self._source.src)

    def _keep_modules(self, home: Path, release: str) -> None:
        installed = self._output / "install/lib/modules" / release
        for name in ("build", "source"):
            (installed / name).unlink(missing_ok=True)
        (home / "lib/modules").mkdir(parents=True)
        shutil.move(installed, home / "lib/modules" / release)
        tools.run(["depmod", "-b", home, release], what=f"depmod for {release}")


def _keep_headers(source: Path, output: Path, home: Path, kernel_arch: str) -> None:
    for parts, top, target, copy in ((SOURCE_PARTS, source, home / "src", _link),
                                     (OUTPUT_PARTS, output, home / "out", _copy)):
        for path in [path for part in parts for path in top.glob(part.format(arch=kernel_arch))]:
            place = target / path.relative_to(top)
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True,
                                copy_function=copy, ignore=_ignored)
            else:
                copy(str(path), str(place))


def _link(source: str, target: str) -> None:
    os.link(source, target)


def _copy(source: str, target: str) -> None:
    shutil.copy(source, target)


def _ignored(_: str, names: list[str]) -> list[str]:
    """Objects and their dependency files: a module's build makes its own."""
    return [name for name in names if name.endswith((".o", ".cmd", ".a"))]

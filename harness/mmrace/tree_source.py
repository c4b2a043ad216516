# SPDX-License-Identifier: GPL-2.0
"""Kernel sources: a copy of ours for each tree, brought to a state, with a patch or without.

Nobody's tree is built in or written to. Each has a slot in the cache: `src`, the copy, and one
build directory for each architecture and scenario. Bringing `src` to another state gives only the
files that differ a new time, so that make rebuilds what depends on them and nothing else. For the
same reason a restored file gets a new time too.

A state is named by its content: git's tree id, a package's version, or for a directory without
commits every file's path, size and time of change, which is what make itself would go by.
"""

import hashlib
import json
import os
import re
import shutil
from abc import ABC, abstractmethod
from pathlib import Path

from mmrace import config, tools
from mmrace.archive import Suite, unpack
from mmrace.buildroot import HOST_ARCH
from mmrace.errors import InfraError, UsageError
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir
from mmrace.store import write_durably

Manifest = dict[str, tuple[int, int]]


def _git(tree: Path, *words: str) -> str:
    return tools.run(["git", "-C", tree, *words], error=UsageError,
                     what=f"git {words[0]} in {tree}").strip()


def _slots() -> Path:
    return cache_dir() / "trees"


def _slot_of(path: Path) -> Path:
    name = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return _slots() / f"{path.name}-{name}"


class Source(ABC):
    """One state of one kernel tree."""

    def __init__(self, slot: Path, content: str, makefile: str, patch: Path | None) -> None:
        self.slot = slot
        self.patch = patch
        self.content = content
        if patch:
            self.content += ":" + hashlib.sha256(patch.read_bytes()).hexdigest()
        parts = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", makefile,
                                re.MULTILINE))
        if len(parts) != 3:
            raise UsageError(f"{slot.name}: its Makefile names no kernel version; is it the top "
                             "of a kernel tree?")
        self.version = f"{parts['VERSION']}.{parts['PATCHLEVEL']}.{parts['SUBLEVEL']}"

    @property
    def src(self) -> Path:
        """The copy, which holds the state after bring()."""
        return self.slot / "src"

    def bring(self) -> None:
        """Bring the copy to this state; the caller holds the slot's lock."""
        self._unpatch()
        self._bring()
        if self.patch:
            self._apply(self.patch)

    @abstractmethod
    def _bring(self) -> None:
        """Bring the unpatched copy to this state."""

    def _unpatch(self) -> None:
        """Put back what the last patch changed: copies with a new time, so that make sees it."""
        undo = self.slot / "undo"
        if not undo.exists():
            return
        for name in json.loads((undo / "files.json").read_text()):
            saved = undo / name
            (self.src / name).unlink(missing_ok=True)
            if saved.exists():
                shutil.copyfile(saved, self.src / name)
                shutil.copymode(saved, self.src / name)
        shutil.rmtree(undo)

    def _apply(self, patch: Path) -> None:
        text = patch.read_text()
        names = sorted(set(re.findall(r"^(?:---|\+\+\+) [^/\s]+/(\S+)", text, re.MULTILINE)))
        if not names or any(".." in Path(name).parts for name in names):
            raise UsageError(f"{patch}: not a patch of files below a tree (a/FILE, b/FILE; make it "
                             "with git diff, or diff -ru OLD NEW beside the trees)")
        with new_directory(self.slot / "undo") as undo:
            for name in names:
                if (self.src / name).exists():
                    (undo / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(self.src / name, undo / name)
            (undo / "files.json").write_text(json.dumps(names))
        tools.run(["patch", "-p1", "--force", "--fuzz=0", "--no-backup-if-mismatch",
                   f"--reject-file={self.slot}/reject", "-d", self.src, "-i", patch.resolve()],
                  error=UsageError, what=f"applying {patch} to {self.slot.name}")


class GitSource(Source):
    """A commit of a git repository, checked out of its objects into a clone of ours."""

    def __init__(self, path: Path, revision: str, patch: Path | None) -> None:
        self._path = path
        try:
            _git(path, "rev-parse", "--git-dir")
        except UsageError as error:
            raise UsageError(f"{path} is no git repository; without '@{revision}' it is built as "
                             "it is") from error
        self.commit = _git(path, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        super().__init__(_slot_of(path), _git(path, "rev-parse", f"{self.commit}^{{tree}}"),
                         _git(path, "show", f"{self.commit}:Makefile"), patch)

    def _bring(self) -> None:
        if not self._whole():
            self._clone()
        # Links to its files changed their inodes; git is to look at the contents before it decides
        # what to write anew.
        _git(self.src, "status", "--porcelain")
        _git(self.src, "checkout", "--quiet", "--force", "--detach", self.commit)
        _git(self.src, "clean", "-fdxq")

    def _whole(self) -> bool:
        """Whether the clone's own state can be read: its objects are the repository's, which may
        have been made anew, or have dropped them."""
        if not (self.src / ".git").exists():
            return False
        try:
            _git(self.src, "status", "--porcelain", "--untracked-files=no")
        except UsageError:
            return False
        return True

    def _clone(self) -> None:
        """A new clone around the files that are there: those that are right keep their times."""
        self.src.mkdir(parents=True, exist_ok=True)
        with new_directory(self.slot / "clone") as work:
            tools.run(["git", "clone", "--quiet", "--shared", "--no-checkout", self._path,
                       work / "new"])
        shutil.rmtree(self.src / ".git", ignore_errors=True)
        (self.slot / "clone/new/.git").rename(self.src / ".git")
        shutil.rmtree(self.slot / "clone")
        _git(self.src, "reset", "--quiet", "--mixed", self.commit)


class DirectorySource(Source):
    """A directory as it is now; of a git repository, what git does not ignore."""

    def __init__(self, path: Path, patch: Path | None) -> None:
        self._path = path
        self._manifest = self._scan()
        listing = "\n".join(f"{name} {size} {time}"
                            for name, (size, time) in sorted(self._manifest.items()))
        super().__init__(_slots() / f"{_slot_of(path).name}-files",
                         hashlib.sha256(listing.encode()).hexdigest(),
                         (path / "Makefile").read_text(), patch)

    def _names(self) -> list[str]:
        if (self._path / ".git").exists() and not self._all_ignored():
            listing = _git(self._path, "ls-files", "-z", "--cached", "--others",
                           "--exclude-standard")
            return [name for name in listing.split("\0") if name]
        if (self._path / ".config").exists() or (self._path / "include/config").exists():
            raise UsageError(f"{self._path} has been built in, and no git tells sources from "
                             "products; run make mrproper there")
        return [name for path in self._path.iterdir() if path.name != ".git"
                for name in self._below(path)]

    def _below(self, path: Path) -> list[str]:
        if path.is_symlink() or not path.is_dir():
            return [path.name]
        return [os.path.relpath(os.path.join(top, name), self._path)
                for top, _, files in os.walk(path) for name in files]

    def _all_ignored(self) -> bool:
        """Whether git's rules ignore the sources: those of Debian's linux-source do."""
        return bool(_git(self._path, "ls-files", "--cached", "--others", "--ignored",
                         "--exclude-standard", "--", "Makefile"))

    def _stat(self, name: str) -> tuple[int, int] | None:
        try:
            found = (self._path / name).lstat()
        except FileNotFoundError:
            return None
        return found.st_size, found.st_mtime_ns

    def _scan(self) -> Manifest:
        return {name: found for name in self._names() if (found := self._stat(name))}

    def _bring(self) -> None:
        kept = self.slot / "manifest.json"
        have: Manifest = {}
        self.src.mkdir(parents=True, exist_ok=True)
        if kept.exists():
            have = {name: (size, time)
                    for name, (size, time) in json.loads(kept.read_text()).items()}
        stale = [name for name, found in have.items() if self._manifest.get(name) != found]
        fresh = [name for name, found in self._manifest.items() if have.get(name) != found]
        # Until all of it is copied, what is about to change counts as not there.
        unchanged = {name: have[name] for name in have.keys() - set(stale)}
        write_durably(kept, json.dumps(unchanged))
        for name in stale:
            (self.src / name).unlink(missing_ok=True)
        for name in fresh:
            self._copy(name)
        write_durably(kept, json.dumps(self._manifest))

    def _copy(self, name: str) -> None:
        source, target = self._path / name, self.src / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if source.is_symlink():
            target.symlink_to(os.readlink(source))
        else:
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
        if self._stat(name) != self._manifest[name]:
            raise InfraError(f"{source} changed while it was copied; run again")


class PackageSource(Source):
    """The sources of a Debian suite's newest kernel, as its linux-source package has them."""

    def __init__(self, suite_name: str, patch: Path | None) -> None:
        suite = Suite(suite_name, config.arch(HOST_ARCH).debian)
        suite.update()
        package = next(dep for dep in suite.depends("linux-source")
                       if dep.startswith("linux-source-"))
        version = suite.version(package)
        slot = _slots() / f"linux-source-{suite_name}-{version}"
        with locked(slot / "fetch.lock"):
            if not (slot / "src").exists():
                self._fetch(suite, package, slot)
        super().__init__(slot, f"{package}={version}", (slot / "src/Makefile").read_text(), patch)

    @staticmethod
    def _fetch(suite: Suite, package: str, slot: Path) -> None:
        with new_directory(slot / "src") as work:
            deb = suite.download([package], work / "deb")[0]
            unpack(deb, work / "deb", ["./usr/src/*.tar.xz"])
            tarball = next((work / "deb/usr/src").glob("*.tar.xz"))
            tools.run(["tar", "-xf", tarball, "-C", work, "--strip-components=1"],
                      what=f"unpacking {tarball.name}")
            shutil.rmtree(work / "deb")

    def _bring(self) -> None:
        """It is never in another state."""

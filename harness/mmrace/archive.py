# SPDX-License-Identifier: GPL-2.0
"""Debian's archive through apt, with lists and cache of our own.

The archive's address comes from the machine's own apt sources, or from MMRACE_DEBIAN_ARCHIVE;
it is written nowhere in the tree. apt verifies every signature against the Debian keyring.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmrace import tools
from mmrace.errors import InfraError, UsageError
from mmrace.locks import locked
from mmrace.paths import cache_dir

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# How long package lists are taken as fresh, in seconds. A kernel that is a day behind is
# still "the newest of the suite" for a test, and a warm run need not wait for the network.
LISTS_FRESH_S = 24 * 3600


def archive_url() -> str:
    """The archive that this machine uses for Debian's main component."""
    override = os.environ.get("MMRACE_DEBIAN_ARCHIVE")
    if override:
        if "://" not in override:
            raise UsageError("MMRACE_DEBIAN_ARCHIVE must be an URL, such as "
                             f"http://deb.debian.org/debian, not '{override}'")
        return override.rstrip("/")
    tools.need("apt-get")
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, check=False).stdout
    for line in listing.splitlines():
        site, release, component = (line.split() + ["", "", ""])[:3]
        if component == "main" and site.rstrip("/").endswith("/debian") and "-" not in release:
            return site.rstrip("/")
    raise InfraError("no Debian archive in this machine's apt sources (apt-get indextargets); "
                     "set MMRACE_DEBIAN_ARCHIVE to its address")


def _transport_options() -> list[str]:
    """How this machine's apt reaches and judges archives (proxies, validity of a frozen mirror).

    mmdebstrap starts from an empty configuration; what it is given here is the machine's own.
    """
    dump = tools.run(["apt-config", "dump", "Acquire"])
    return [f"--aptopt={line.rstrip(';')}" for line in dump.splitlines()
            if re.match(r'Acquire::(http|https|ftp|Check-Valid-Until|Retries)\S* "[^"]+"', line)]


@dataclass(frozen=True)
class Suite:
    """One suite of the archive for one Debian architecture, with its own apt state."""

    name: str
    debian_arch: str

    @property
    def home(self) -> Path:
        """Where lists, cache and configuration of this suite are."""
        return cache_dir() / "apt" / f"{self.name}-{self.debian_arch}"

    @property
    def _stamp(self) -> Path:
        return self.home / "updated"

    def source_line(self, url: str) -> str:
        """The one-line apt source of this suite."""
        return (f"deb [arch={self.debian_arch} signed-by={KEYRING}] {url} {self.name} main\n")

    def _configure(self) -> dict[str, str]:
        home = self.home
        for part in ("lists/partial", "cache/archives/partial"):
            (home / part).mkdir(parents=True, exist_ok=True)
        (home / "status").touch()
        (home / "sources.list").write_text(self.source_line(archive_url()))
        (home / "apt.conf").write_text("\n".join([
            f'Dir::State::lists "{home}/lists";', f'Dir::Cache "{home}/cache";',
            f'Dir::Etc::sourcelist "{home}/sources.list";', 'Dir::Etc::sourceparts "-";',
            f'Dir::State::status "{home}/status";', f'APT::Architecture "{self.debian_arch}";',
            f'APT::Architectures {{ "{self.debian_arch}"; }};',
            'Acquire::Languages "none";', 'Acquire::Retries "2";',
            'APT::Sandbox::User "root";', ""]))
        return {"APT_CONFIG": str(home / "apt.conf")}

    def make_root(self, target: Path, packages: Iterable[str], *options: str, what: str,
                  variant: str = "essential", log: Path | None = None) -> None:
        """Fill a directory with packages and what they need; `options` are more of mmdebstrap's.

        Raises InfraError, which says that `what` failed.
        """
        tools.run(["mmdebstrap", "--quiet", f"--variant={variant}",
                   f"--architectures={self.debian_arch}", f"--include={','.join(packages)}",
                   *options, *_transport_options(), self.name, target,
                   self.source_line(archive_url()).strip()], log=log, what=what)

    def download_missing(self, package: str, root: Path, into: Path) -> list[Path]:
        """Fetch a package and whatever of its dependencies a root directory does not have."""
        env = self._configure()
        archives = into / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        tools.run(["apt-get", "-q", "-y", "--no-install-recommends", "--download-only",
                   "-o", f"Dir::State::status={root}/var/lib/dpkg/status",
                   "-o", f"Dir::Cache::archives={archives}", "install", package], env=env,
                  what=f"downloading {package} ({self.name} {self.debian_arch})")
        return sorted(archives.glob("*.deb"))

    def update(self) -> bool:
        """Refresh the package lists when they are old; False when only old ones can be had."""
        with locked(self.home / "lock"):
            if (self._stamp.exists()
                    and time.time() - self._stamp.stat().st_mtime < LISTS_FRESH_S):
                return True
            env = self._configure()
            try:
                tools.run(["apt-get", "update", "-q", "--error-on=any"], env=env,
                          what=f"apt-get update for {self.name} {self.debian_arch} (cannot "
                               "reach or verify the Debian archive)")
            except InfraError:
                if self._stamp.exists():
                    return False
                raise
            self._stamp.touch()
            return True

    def _show(self, package: str) -> str:
        """The newest version's record, kept until the lists are refreshed.

        apt takes a second to answer; a warm run asks a dozen times.
        """
        kept = self.home / "records" / package
        if kept.exists() and kept.stat().st_mtime > self._stamp.stat().st_mtime:
            return kept.read_text()
        output = tools.run(["apt-cache", "show", "--no-all-versions", package],
                           env=self._configure(),
                           what=f"looking up {package} in {self.name} {self.debian_arch}")
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(output)
        return output

    def depends(self, package: str) -> list[str]:
        """The first alternatives that the newest version of a package depends on."""
        match = re.search(r"^Depends: (.*)$", self._show(package), re.MULTILINE)
        return [re.split(r"[ (:|]", dep.strip(), maxsplit=1)[0]
                for dep in match.group(1).split(",")] if match else []

    def version(self, package: str) -> str:
        """The newest version of a package in the suite."""
        match = re.search(r"^Version: (\S+)$", self._show(package), re.MULTILINE)
        if not match:
            raise InfraError(f"{self.name} {self.debian_arch} has no package {package}")
        return match.group(1)

    def download(self, packages: list[str], into: Path) -> list[Path]:
        """Fetch packages (verified by apt) into a directory; the files, one a package."""
        into.mkdir(parents=True, exist_ok=True)
        env = self._configure()
        tools.run(["apt-get", "download", "-q", *packages], cwd=into, env=env,
                  what=f"downloading {' '.join(packages)} ({self.name} {self.debian_arch})")
        return sorted(into.glob("*.deb"))


def unpack(deb: Path, into: Path, patterns: Sequence[str] = ()) -> None:
    """Unpack a package's files (those that match, if any pattern is given) into a directory.

    A symbolic link in place of a directory is kept: in a merged-/usr root /lib is one, and
    dpkg-deb -x would put a directory in its place. A pattern may match nothing.
    """
    with subprocess.Popen([tools.need("dpkg-deb"), "--fsys-tarfile", str(deb)],
                          stdout=subprocess.PIPE) as source:
        done = subprocess.run(
            [tools.need("tar"), "-x", "--keep-directory-symlink", "-C", str(into),
             *(["--wildcards", *patterns] if patterns else [])],
            stdin=source.stdout, stderr=subprocess.PIPE, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines()
                  if "Not found in archive" not in line and "Exiting with failure" not in line]
    if source.returncode != 0 or complaints:
        raise InfraError(f"{deb.name} cannot be unpacked: "
                         f"{complaints[0] if complaints else 'dpkg-deb failed'}")

# SPDX-License-Identifier: GPL-2.0
"""A kernel that can be booted and built against: what every provider of kernels hands out."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrace.errors import InfraError


@dataclass(frozen=True)
class Kernel:
    """One kernel that can be booted: everything that a result must say about it.

    `suite` is the Debian suite that it, or the compiler that built it, comes from. `append` is
    what it wants on its command line, `notes` what whoever asked for it should be told.
    """

    id: str
    arch: str
    release: str
    version: str
    upstream: str
    packages: tuple[str, ...]
    home: str
    suite: str = ""
    append: str = ""
    notes: tuple[str, ...] = ()
    fresh: bool = True

    @property
    def image(self) -> Path:
        """The image that the emulator is given."""
        return Path(self.home) / "image"

    @property
    def modules_root(self) -> Path:
        """The directory that holds lib/modules/RELEASE."""
        return Path(self.home)

    @property
    def headers(self) -> Path:
        """What a module is built against, of a kernel that was built here: `src` and `out`.

        A kernel from a package has none: its headers are a package in a build root.
        """
        return Path(self.home) / "headers"

    def record(self) -> dict[str, Any]:
        """The part of a cell's record that names the kernel."""
        return {"id": self.id, "version": self.version, "release": self.release,
                "upstream": self.upstream, "packages": list(self.packages)}


def upstream_version(package_version: str) -> str:
    """`6.1.176` from a Debian version such as `1:6.1.176-1+deb12u1`."""
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", package_version)
    if not match:
        raise InfraError(f"cannot read a kernel version out of '{package_version}'")
    return match.group(1)

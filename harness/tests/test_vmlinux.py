# SPDX-License-Identifier: GPL-2.0
"""Unpacking a bzImage, against images made here after the boot protocol."""

import gzip
import lzma
import struct
import subprocess

import pytest

from mmrace.errors import InfraError
from mmrace.vmlinux import extract

ELF = b"\x7fELF" + bytes(range(256)) * 40


def bzimage(payload: bytes) -> bytes:
    """A boot sector and three setup sectors, then the payload at offset 64."""
    image = bytearray(4 * 512)
    image[0x1F1] = 3
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, 64, len(payload))
    return bytes(image) + bytes(64) + payload + b"trailing setup data"


def packed(kind: str) -> bytes:
    """The payload as the kernel's build appends it: compressed, for most with its length after."""
    if kind == "gzip":
        return gzip.compress(ELF)
    if kind == "xz":
        return lzma.compress(ELF) + struct.pack("<I", len(ELF))
    done = subprocess.run(["zstd", "-c"], input=ELF, capture_output=True, check=True)
    return done.stdout + struct.pack("<I", len(ELF))


@pytest.mark.parametrize("kind", ["gzip", "xz", "zstd"])
def test_every_compression_of_debian_is_unpacked(kind: str) -> None:
    assert extract(bzimage(packed(kind))) == ELF


def test_what_is_no_bzimage_is_refused() -> None:
    with pytest.raises(InfraError, match="HdrS|boot header"):
        extract(bytes(4096))
    with pytest.raises(InfraError, match="unknown compression"):
        extract(bzimage(b"BZh9" + bytes(100)))

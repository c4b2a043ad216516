# SPDX-License-Identifier: GPL-2.0
"""The uncompressed ELF inside an x86 bzImage.

Its place is told by the boot protocol (Documentation/arch/x86/boot.rst: payload_offset and
payload_length, since 2.08), its compression by the payload's magic. QEMU starts the ELF through
its PVH note, which saves the guest from decompressing 40 MB under emulation.
"""

import gzip
import lzma
import struct
import subprocess

from mmrace import tools
from mmrace.errors import InfraError


def _inflate(payload: bytes) -> bytes:
    if payload.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        # The stream is followed by its length, which zstd would take for a second frame.
        done = subprocess.run([tools.need("zstd"), "-dc"], input=payload[:-4],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise InfraError(f"zstd could not unpack the kernel: {done.stderr.decode()}")
        return done.stdout
    if payload.startswith(b"\x1f\x8b"):
        return gzip.decompress(payload)
    raise InfraError(f"kernel image with an unknown compression (magic {payload[:4].hex()})")


def extract(image: bytes) -> bytes:
    """The vmlinux of a bzImage; raises InfraError when the image is not one."""
    if image[0x202:0x206] != b"HdrS":
        raise InfraError("not an x86 bzImage: no boot header at 0x202")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    elf = _inflate(image[start:start + length])
    if not elf.startswith(b"\x7fELF"):
        raise InfraError("the bzImage's payload is not an ELF file")
    return elf

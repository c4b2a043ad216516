# SPDX-License-Identifier: GPL-2.0
"""The cache of images: bounded, and never without one that may be about to boot."""

import os
import time
from pathlib import Path

from mmrace import initramfs


def test_images_used_longest_ago_go_first_and_fresh_ones_stay(tmp_path: Path) -> None:
    now = time.time()
    fresh = 10
    for index in range(initramfs.KEPT + 20):
        image = tmp_path / f"{index:016x}"
        image.mkdir()
        (image / "initrd.cpio").touch()
        age = 0.0 if index < fresh else initramfs.IN_USE_S + index
        os.utime(image, (now - age, now - age))
    (tmp_path / ".lock").touch()
    initramfs.forget(tmp_path)
    left = sorted(int(path.name, 16) for path in tmp_path.glob("[!.]*"))
    assert left == list(range(initramfs.KEPT - 1)), "the oldest went, and one place is free"

    for index in range(initramfs.KEPT, 2 * initramfs.KEPT):
        (tmp_path / f"{index:016x}").mkdir()
    initramfs.forget(tmp_path)
    left = sorted(int(path.name, 16) for path in tmp_path.glob("[!.]*"))
    assert left == [*range(fresh), *range(initramfs.KEPT, 2 * initramfs.KEPT)]

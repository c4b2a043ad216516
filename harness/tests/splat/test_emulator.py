# SPDX-License-Identifier: GPL-2.0
"""An oops that the emulator made is told from one of the kernel's."""

from pathlib import Path

from mmrace import splat

LOG = (Path(__file__).parent / "corpus/x86_64/trixie-stale-int3.log").read_text().splitlines()
CODE = next(index for index, line in enumerate(LOG) if "] Code:" in line)


def with_code(text: str) -> list[str]:
    """The log, with memory around the trap as TEXT says."""
    return [*LOG[:CODE], f"[  164.234019] Code: {text}", *LOG[CODE + 1:]]


def test_an_int3_that_memory_does_not_hold_is_the_emulator_s() -> None:
    assert splat.stale_int3(LOG)


def test_an_int3_that_memory_holds_is_the_kernel_s() -> None:
    assert not splat.stale_int3(with_code("66 0f 1f 00 cc <1f> 44 00 00 41"))


def test_code_that_cannot_be_read_accuses_nobody() -> None:
    assert not splat.stale_int3(with_code("Unable to access opcode bytes at 0x1000."))


def test_another_oops_is_not_asked() -> None:
    assert not splat.stale_int3([line.replace("int3: 0000", "invalid opcode: 0000")
                                 for line in LOG])

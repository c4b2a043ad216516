# SPDX-License-Identifier: GPL-2.0
"""What the emulator did is told from what the kernel did."""

from pathlib import Path

from mmrace import splat

HERE = Path(__file__).parent
LOG = (HERE / "corpus/x86_64/trixie-stale-int3.log").read_text().splitlines()
CODE = next(index for index, line in enumerate(LOG) if "] Code:" in line)

ASLEEP = (HERE / "lost_timer/console.log").read_text().splitlines()
REGISTERS = (HERE / "lost_timer/registers.txt").read_text()


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


def test_a_cpu_asleep_with_its_timer_due_was_not_woken() -> None:
    assert splat.lost_timer(ASLEEP, REGISTERS)
    assert splat.lost_timer(ASLEEP, REGISTERS.replace("\n", "\r\n"))


def test_a_cpu_that_runs_with_its_timer_due_is_the_kernel_s() -> None:
    before, cpu, after = REGISTERS.partition("CPU#2\n")
    assert not splat.lost_timer(ASLEEP, before + cpu + after.replace("HLT=1", "HLT=0", 1))


def test_registers_without_the_cpu_or_the_word_accuse_nobody() -> None:
    assert not splat.lost_timer(ASLEEP, REGISTERS.partition("CPU#2\n")[0])
    assert not splat.lost_timer(ASLEEP, REGISTERS.replace("HLT=1", ""))
    assert not splat.lost_timer(ASLEEP, "QEMU answered nothing\n")


def test_cpus_asleep_are_no_lost_timer_by_themselves() -> None:
    assert not splat.lost_timer([line for line in ASLEEP if "timer handling" not in line],
                                REGISTERS)

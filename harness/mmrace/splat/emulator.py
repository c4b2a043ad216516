"""What the emulator did, not the kernel.

A stale int3.  QEMU's TCG with a thread for each vCPU can run code that memory no longer holds:
notdirty_write() (accel/tcg/cputlb.c, QEMU 10.0) drops the translations of a page *before* the
store that changes it, and another vCPU may translate the old bytes in between.  On x86 the last
step of text_poke_bp_batch() (arch/x86/kernel/alternative.c, 6.12) replaces an int3; a vCPU that
keeps that int3 traps after the kernel has forgotten it, and dies of "int3: 0000".  Hardware cannot
do that: text_poke_sync() serialises every CPU before the int3 is forgotten.

A lost timer.  A vCPU sleeps in hlt with a timer due and is not woken.  The kernel tells it when
RCU's thread waits for that timer: rcu_check_gp_kthread_expired_fqs_timer()
(kernel/rcu/tree_stall.h, 6.1 and 6.12) prints "timer wakeup didn't happen" and the CPU that has
the timer.  It prints the same when that CPU spins with interrupts off, which is the kernel's own
fault; only QEMU's registers tell which of the two it is.
"""

import re
from collections.abc import Iterable

from .title import strip

_INT3 = re.compile(r"(?:Oops: )?int3: 0000 \[#1\]")
_CODE = re.compile(r"Code: (?:.*?(?P<before>[0-9a-f]{2}) <[0-9a-f]{2}>)?")


def stale_int3(lines: Iterable[str]) -> bool:
    """Whether the log's first int3 oops is at an address that holds no int3.

    The trap leaves RIP behind the one-byte instruction; show_opcodes()
    (arch/x86/kernel/dumpstack.c) prints memory as it is then, the byte at RIP in angle brackets.
    """
    trapped = False
    for line in map(strip, lines):
        if _INT3.match(line):
            trapped = True
        code = _CODE.match(line) if trapped else None
        if code:
            return code.group("before") not in (None, "cc")
    return False


_NO_WAKEUP = re.compile(r"rcu: rcu_\w+ kthread timer wakeup didn't happen for \d+ jiffies!")
_ON_CPU = re.compile(r"rcu:\s+Possible timer handling issue on cpu=(?P<cpu>\d+)")
_HALTED = re.compile(r"^CPU#(?P<cpu>\d+)$|\bHLT=(?P<halted>[01])$", re.MULTILINE)


def _halted(registers: str) -> set[int]:
    """The CPUs that sleep, in QEMU's `info registers -a`; only x86's says so."""
    cpus: set[int] = set()
    cpu = 0
    for found in _HALTED.finditer(registers.replace("\r", "")):
        if found.group("cpu"):
            cpu = int(found.group("cpu"))
        elif found.group("halted") == "1":
            cpus.add(cpu)
    return cpus


def lost_timer(lines: Iterable[str], registers: str) -> bool:
    """Whether the log blames the timer of a CPU that was found asleep."""
    told = False
    for line in map(strip, lines):
        if _NO_WAKEUP.match(line):
            told = True
        blamed = _ON_CPU.match(line) if told else None
        if blamed:
            return int(blamed.group("cpu")) in _halted(registers)
    return False

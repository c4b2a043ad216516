# SPDX-License-Identifier: GPL-2.0
"""Oopses that the emulator made, not the kernel.

QEMU's TCG with a thread for each vCPU can run code that memory no longer holds: notdirty_write()
(accel/tcg/cputlb.c, QEMU 10.0) drops the translations of a page *before* the store that changes
it, and another vCPU may translate the old bytes in between.  On x86 the last step of
text_poke_bp_batch() (arch/x86/kernel/alternative.c, 6.12) replaces an int3; a vCPU that keeps
that int3 traps after the kernel has forgotten it, and dies of "int3: 0000".  Hardware cannot do
that: text_poke_sync() serialises every CPU before the int3 is forgotten.
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

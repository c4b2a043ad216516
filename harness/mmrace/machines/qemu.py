# SPDX-License-Identifier: GPL-2.0
"""An emulated guest: QEMU with one vCPU a thread, so that races between vCPUs are real."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from mmrace import canary, config, emulator, splat, tools
from mmrace.config import Arch, Variant
from mmrace.errors import InfraError, StoreError
from mmrace.kernels import Kernel
from mmrace.machines.base import MachineLost, Message, console_panic, parse_records

# Emulation is an order of magnitude slower than the watchdogs expect (syzkaller's values for
# emulated machines): a slow guest must not look like a hung one, a hung one is seen by silence.
COMMON_APPEND = ("oops=panic sysrq_always_enabled loglevel=5 printk.devkmsg=on "
                 "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=100 "
                 "workqueue.watchdog_thresh=420 rdinit=/init "
                 # Self-tests of random number and key derivation code: 1 s of a boot, and
                 # nothing here uses it.
                 "initcall_blacklist=crypto_kdf108_init,jent_mod_init")


# What counts as a full disk: less than this, and the next record may not fit.
DISK_FULL_BYTES = 64 << 10


# The first and the last line of a panic (kernel/panic.c); how often they are looked for, and how
# long a panic may take, in seconds. One that fails again on its way never ends the guest, whose
# other CPUs may go on for minutes.
PANIC = "Kernel panic - not syncing"
PANIC_DONE = "---[ end Kernel panic"
PANIC_LOOK_S = 1.0
PANIC_ENDS_S = 20.0
# The forms of a guest's memory, as dump-guest-memory takes them. kdump is compressed, and crash
# (8.0.2) opens it; drgn (0.0.22) opens only an ELF file that has the kernel's addresses and its
# VMCOREINFO (vmcore_modules in configs/arch/), as crash does too.
VMCORES: dict[str, dict[str, Any]] = {
    "kdump": {"paging": False, "format": "kdump-raw-zlib"},
    "elf": {"paging": True},
}
# A dump of a guest's memory takes seconds, any other command none.
QMP_TIMEOUT_S = 120.0
# What a silent guest may take to print what it was asked for.
AUTOPSY_STEP_S = 1.0


def kernel_append(arch: Arch, variant: Variant, kernel: Kernel, vmcore: str = "") -> str:
    """The guest's kernel command line; for a `vmcore` it waits after a panic."""
    return " ".join(filter(None, (f"console={arch.console}", COMMON_APPEND,
                                  "panic=0" if vmcore else "panic=-1", arch.qemu_append,
                                  variant.append, kernel.append)))


def command_line(arch: Arch, variant: Variant, kernel: Kernel, initrd: Path, run: Path,
                 sockets: Path, vmcore: str = "") -> list[str]:
    """QEMU's arguments; files in `run` stay, `sockets` is short-lived.

    For a `vmcore` the guest waits after a panic instead of ending.
    """
    serial = f"virtio-serial-{arch.bus}"
    return [
        *emulator.command(arch, variant.emulator), *arch.qemu_args,
        "-accel", variant.accel, "-smp", str(variant.vcpus),
        "-m", f"{variant.memory_mib}M", *variant.qemu_args,
        "-nodefaults", "-no-user-config", "-display", "none",
        "-nic", "none", "-no-reboot", "-kernel", str(kernel.image), "-initrd", str(initrd),
        "-append", kernel_append(arch, variant, kernel, vmcore),
        "-chardev", f"file,id=console,path={run}/console.log", "-serial", "chardev:console",
        "-device", serial,
        "-chardev", f"file,id=events,path={run}/events.ndjson",
        "-device", "virtserialport,chardev=events,name=mmrace.events",
        "-chardev", f"socket,id=ctl,path={sockets}/ctl,server=on,wait=off",
        "-device", "virtserialport,chardev=ctl,name=mmrace.ctl",
        "-qmp", f"unix:{sockets}/qmp,server=on,wait=off",
    ]


class QemuMachine:
    """One guest from start to end. Use as a context manager: no guest outlives its block."""

    kind = "qemu"

    def __init__(self, kernel: Kernel, variant: Variant, initrd: Path, run: Path,
                 vmcore: str = "") -> None:
        """With `vmcore`, one of VMCORES, the guest's memory is kept when its kernel panics."""
        self.kernel = kernel
        self.variant = variant
        self.run = run
        self._arch = config.arch(kernel.arch)
        self._initrd = initrd
        self._sockets = Path(tempfile.mkdtemp(prefix="mmrace-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._ctl: socket.socket | None = None
        self._vmcore = vmcore
        self._looked = 0.0
        self._panicked: canary.Stopwatch | None = None
        self._offset = 0
        self._torn = b""

    def record(self) -> dict[str, Any]:
        """The part of a cell's record that names the machine."""
        return {"kind": "qemu", "accel": self.variant.accel, "variant": self.variant.name,
                "vcpus": self.variant.vcpus, "memory_mib": self.variant.memory_mib,
                "qemu": emulator.version(self._arch, self.variant.emulator)}

    def __enter__(self) -> "QemuMachine":
        self.run.mkdir(parents=True, exist_ok=True)
        command = command_line(self._arch, self.variant, self.kernel, self._initrd, self.run,
                               self._sockets, self._vmcore)
        (self.run / "qemu.cmd").write_text(" ".join(command) + "\n")
        # The kernel ends QEMU when this process dies, however it dies. A terminal's Ctrl-C is for
        # us: QEMU would end on it, and an interrupted cell would look like a lost machine.
        with (self.run / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                [tools.need("setpriv", "util-linux"), "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0)
        try:
            self._ctl = self._connect("ctl")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _connect(self, name: str) -> socket.socket:
        path = str(self._sockets / name)
        deadline = time.monotonic() + 20
        while True:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                link.connect(path)
                return link
            except OSError:
                link.close()
            if not self.alive():
                raise InfraError(f"QEMU did not start: {self._complaint()}")
            if time.monotonic() > deadline:
                raise InfraError(f"QEMU does not answer on its {name} socket")
            time.sleep(0.02)

    def _complaint(self) -> str:
        text = (self.run / "qemu.log").read_text(errors="replace").strip()
        return text.splitlines()[-1] if text else "it said nothing"

    def __exit__(self, *_: object) -> None:
        if self._ctl:
            self._ctl.close()
            self._ctl = None
        if self._process and self._process.poll() is None:
            self._process.kill()
        if self._process:
            self._process.wait()
        shutil.rmtree(self._sockets, ignore_errors=True)

    # Link

    def send(self, line: str) -> None:
        """Send one command line to the agent."""
        if not self._ctl:
            raise self.death()
        try:
            self._ctl.sendall(line.encode() + b"\n")
        except OSError:
            raise self.death() from None

    def poll(self) -> list[Message]:
        """Whole records that QEMU has written since the last call."""
        try:
            with (self.run / "events.ndjson").open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        if not data:
            self._check_disk()
        self._check_panic()
        self._offset += len(data)
        *lines, self._torn = (self._torn + data).split(b"\n")
        return parse_records(lines)

    def _check_disk(self) -> None:
        """QEMU drops what it cannot write: a full disk would look like a silent guest."""
        disk = os.statvfs(self.run)
        if disk.f_bfree * disk.f_frsize < DISK_FULL_BYTES:
            raise StoreError(f"no space is left below {self.run}, so the guest's records are "
                             "lost; free some or set MMRACE_RUNS")

    def _check_panic(self) -> None:
        """End a guest that waits after its panic, or does not get through it; keep its memory."""
        now = time.monotonic()
        if now - self._looked < PANIC_LOOK_S or not self.alive():
            return
        self._looked = now
        console = self.console()
        if PANIC not in console:
            return
        self._panicked = self._panicked or canary.Stopwatch(self.use)
        if ((self._vmcore and PANIC_DONE in console)
                or self._panicked.had_s() > PANIC_ENDS_S * canary.slowdown()):
            if self._vmcore:
                self.dump()
            if self._process:
                self._process.kill()
                self._process.wait()

    def alive(self) -> bool:
        """Whether QEMU still runs."""
        return self._process is not None and self._process.poll() is None

    def use(self) -> canary.Use:
        """Of QEMU's process."""
        return canary.use(self._process.pid) if self._process else canary.NOBODY_KNOWS

    def death(self) -> MachineLost:
        """A guest that panicked (panic=-1, -no-reboot) and a QEMU that died both end QEMU."""
        console = self.console()
        if "thread=multi" in self.variant.accel and splat.stale_int3(console.splitlines()):
            return MachineLost("emulator", "QEMU executed an int3 that memory no longer held "
                               "(harness/mmrace/splat/emulator.py); run it again")
        panic = console_panic(console)
        if panic:
            return MachineLost("panic", panic)
        code = self._process.returncode if self._process else None
        if code == 0:
            return MachineLost("lost", "the guest powered off or rebooted on its own")
        # A failed assertion of its own ("abort") is not the fault of who ended it from outside.
        return MachineLost("abort" if code == -signal.SIGABRT else "lost",
                           f"QEMU ended with code {code}: {self._complaint()}")

    def silence(self, detail: str) -> MachineLost:
        """A kernel that stopped, or one that the emulator does not wake."""
        self.autopsy()
        registers = (self.run / "registers.txt").read_text()
        if ("thread=multi" in self.variant.accel
                and splat.lost_timer(self.console().splitlines(), registers)):
            return MachineLost("emulator", f"{detail}: QEMU lost a timer of a CPU's "
                               "(harness/mmrace/splat/emulator.py); run it again")
        return MachineLost("hang", detail)

    def console(self) -> str:
        """All that the guest's console has printed."""
        path = self.run / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # Out of band

    def qmp(self, command: str, **arguments: object) -> Any:
        """Send one QMP command; what it returns."""
        answer: dict[str, Any] = {}
        with self._connect("qmp") as link, link.makefile("rw") as stream:
            link.settimeout(QMP_TIMEOUT_S)
            stream.readline()
            for step in ({"execute": "qmp_capabilities"},
                         {"execute": command, "arguments": arguments}):
                stream.write(json.dumps(step) + "\n")
                stream.flush()
                answer = {"event": "none yet"}
                while "event" in answer:
                    line = stream.readline()
                    answer = json.loads(line) if line else {}
        if "error" in answer:
            raise InfraError(f"QEMU refused {command}: {answer['error'].get('desc')}")
        return answer.get("return")

    def autopsy(self) -> None:
        """Of a guest that is silent: registers.txt, and on the console what its kernel can tell.

        Once: the second would find a kernel that the first has woken.
        """
        if (self.run / "registers.txt").exists():
            return
        try:
            registers = self.qmp("human-monitor-command", **{"command-line": "info registers -a"})
            (self.run / "registers.txt").write_text(str(registers))
            for command in self._arch.hang:
                self.qmp("human-monitor-command", **{"command-line": command})
                time.sleep(AUTOPSY_STEP_S * canary.slowdown())
        except (InfraError, OSError) as error:
            (self.run / "registers.txt").write_text(f"{error}\n")

    def dump(self) -> None:
        """The guest's memory as the file `vmcore`."""
        self.qmp("dump-guest-memory", protocol=f"file:{self.run}/vmcore", **VMCORES[self._vmcore])

    def power_off(self) -> None:
        """Ask the agent to power off; the guest ends within seconds, or is ended on exit."""
        try:
            self.send("poweroff")
            if self._process:
                self._process.wait(10)
        except (MachineLost, subprocess.TimeoutExpired):
            return

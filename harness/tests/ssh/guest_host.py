# SPDX-License-Identifier: GPL-2.0
"""A guest that stands for a host: a stock kernel, busybox, and a real ssh server (dropbear).

It is reached through QEMU's user network on a port of 127.0.0.1; a reboot brings it up anew.
"""

import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from mmrace import config, emulator, kernels, tools
from mmrace.archive import Suite, unpack
from mmrace.initramfs import module_files
from mmrace.kernels import Kernel
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir

SUITE = "bookworm"
ARCH = "x86_64"
# What the harness's own guests do without: a network card.
NETWORK = ("net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net")
LIBRARIES = ("libc.so.6", "libcrypt.so.1", "libgmp.so.10", "libtomcrypt.so.1", "libtommath.so.1",
             "libz.so.1")
LOADER = "ld-linux-x86-64.so.2"

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev; mkdir -p /dev/pts; mount -t devpts devpts /dev/pts
mount -t proc proc /proc; mount -t sysfs sys /sys
mount -t debugfs debugfs /sys/kernel/debug
for ko in {modules}; do insmod /modules/$ko; done
ip link set lo up; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up
ip route add default via 10.0.2.2
/sbin/dropbear -F -E -R -s -p 22
"""


def _network_modules(kernel: Kernel, into: Path) -> None:
    suite = Suite(SUITE, config.arch(ARCH).debian)
    suite.update()
    names = [package.partition("=")[0] for package in kernel.packages]
    for deb in suite.download(names, into / "debs"):
        unpack(deb, into, [f"./lib/modules/*/kernel/{name}.ko" for name in NETWORK])
        deb.unlink()


def _userland(into: Path) -> None:
    suite = Suite(SUITE, config.arch(ARCH).debian)
    suite.update()
    empty = into / "empty"
    (empty / "var/lib/dpkg").mkdir(parents=True)
    (empty / "var/lib/dpkg/status").touch()
    for package in ("busybox-static", "dropbear-bin"):
        for deb in suite.download_missing(package, empty, into / "debs"):
            unpack(deb, into)
            deb.unlink()


def _parts(kernel: Kernel) -> Path:
    """Network modules and user land, fetched once."""
    home = cache_dir() / "guest-host" / f"{SUITE}-{kernel.version}"
    with locked(home.parent / "lock"):
        if not home.exists():
            with new_directory(home) as work:
                _network_modules(kernel, work)
                _userland(work)
    return home


def image(kernel: Kernel, public_key: str, work: Path) -> Path:
    """An initramfs whose root accepts that key."""
    parts, root = _parts(kernel), work / "root"
    for part in ("bin", "sbin", "lib", "lib64", "modules", "dev", "proc", "sys", "tmp", "var/tmp",
                 "etc/dropbear", "root/.ssh", "run", "var/log"):
        (root / part).mkdir(parents=True)
    shutil.copy(parts / "bin/busybox", root / "bin")
    shutil.copy(parts / "usr/sbin/dropbear", root / "sbin")
    for name in (*LIBRARIES, LOADER):
        place = root / ("lib64" if name == LOADER else "lib")
        shutil.copy(next(path for path in parts.rglob(name) if path.exists()), place)
    files = [source for name in config.arch(ARCH).modules
             for source in module_files(kernel, name)]
    files += [next(parts.rglob(f"{name}.ko")) for name in NETWORK]
    for source in files:
        shutil.copy(source, root / "modules")
    loading = " ".join(dict.fromkeys(source.name for source in files))
    (root / "init").write_text(INIT.format(modules=loading))
    (root / "init").chmod(0o755)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/shells").write_text("/bin/sh\n")
    (root / "root/.ssh/authorized_keys").write_text(public_key)
    for path in (root / "root", root / "root/.ssh"):
        path.chmod(0o700)
    names = "\0".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\0"
    archive = work / "host.cpio"
    with archive.open("wb") as out:
        subprocess.run([tools.need("cpio"), "--null", "--create", "--format=newc", "--owner=0:0",
                        "--quiet"], input=names.encode(), stdout=out, cwd=root, check=True)
    return archive


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class GuestHost:
    """The guest; a context manager. `port` is where its ssh server is reached."""

    user = "root"

    def __init__(self, work: Path) -> None:
        self.work = work
        self.port = free_port()
        self.console = work / "host-console.log"
        self.key = work / "key"
        self._command: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key],
                       check=True)

    def system(self) -> list[str]:
        """What boots, as arguments of the emulator."""
        kernel = kernels.resolve(f"debian:{SUITE}", config.arch(ARCH))
        initrd = image(kernel, self.key.with_suffix(".pub").read_text(), self.work)
        return ["-kernel", str(kernel.image), "-initrd", str(initrd),
                "-append", "console=ttyS0 panic=1 loglevel=5"]

    def listener(self) -> list[str]:
        """The command that prints its console."""
        return ["tail", "-n", "0", "-F", str(self.console)]

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        arch = config.arch(ARCH)
        self._command = [
            "setpriv", "--pdeathsig", "KILL", *emulator.command(arch), *arch.qemu_args,
            "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024M", "-nodefaults",
            "-no-user-config", "-display", "none", *self.system(),
            "-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console",
            "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22",
            "-device", "virtio-net-pci,netdev=net,romfile="]
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def record(self, name: str, **more: str | int) -> str:
        """A record of the host for hosts.toml, as TOML; `more` are further keys."""
        options = ["-p", str(self.port), "-i", str(self.key), "-o", "IdentitiesOnly=yes",
                   "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.work}/known",
                   "-F", "none"]
        lines = [f"[{name}]", f'ssh = "{self.user}@127.0.0.1"', f'arch = "{ARCH}"',
                 'labels = ["test"]', f"ssh_args = {options}",
                 f"console = {json.dumps(self.listener())}"]
        keys: dict[str, str | int] = {"wait_s": 120, **more}
        lines += [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
                  for key, value in keys.items()]
        return "\n".join(lines) + "\n"

    def jump(self, name: str) -> str:
        """A record of the same host as it is reached through itself: a jump host."""
        ours = "\n".join([
            f"  IdentityFile {self.key}", "  IdentitiesOnly yes", "  StrictHostKeyChecking no",
            f"  UserKnownHostsFile {self.work}/known", "  User root", "  HostName 127.0.0.1"])
        (self.work / "ssh_config").write_text(
            f"Host gate\n  Port {self.port}\n{ours}\nHost behind\n  Port 22\n"
            f"  ProxyJump gate\n{ours}\n")
        return (f'[{name}]\nssh = "behind"\narch = "{ARCH}"\nwait_s = 120\n'
                f'ssh_args = ["-F", "{self.work}/ssh_config"]\n')

    def shell(self, script: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a script on the host with a connection of its own."""
        return subprocess.run(
            ["ssh", "-p", str(self.port), "-i", str(self.key), "-o", "IdentitiesOnly=yes",
             "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.work}/known",
             "-F", "none", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes",
             f"{self.user}@127.0.0.1",
             script], capture_output=True, text=True, check=False, timeout=timeout_s)

    def later(self, script: str) -> None:
        """Run a script that takes the host down, once this connection has ended."""
        self.shell(f"setsid sh -c 'sleep 1; {script}' < /dev/null > /dev/null 2>&1 &")

    def wait_for(self, script: str, timeout_s: float) -> None:
        """Wait until a script succeeds there; an emulator that aborted is started once more."""
        deadline = time.monotonic() + timeout_s
        while self.shell(script).returncode != 0:
            if self._process and self._process.poll() == -signal.SIGABRT:
                self._start()
            assert time.monotonic() < deadline, f"never true on the host: {script}"
            time.sleep(0.5)

# SPDX-License-Identifier: GPL-2.0
"""A guest that is a whole Debian, as a host in a lab is: systemd, OpenSSH, sudo, netconsole.

Its login is no root, its module is built on it with its own compiler and headers, and its kernel
log leaves it by netconsole alone.
"""

import shutil
import socket
import subprocess
from pathlib import Path

from mmrace import config, tools
from mmrace.archive import Suite
from mmrace.locks import locked, new_directory
from mmrace.paths import cache_dir
from tests.ssh.guest_host import ARCH, GuestHost

SUITE = "trixie"
PACKAGES = ("linux-image-amd64", "linux-headers-amd64", "make", "kmod", "initramfs-tools",
            "systemd-sysv", "udev", "iproute2", "openssh-server", "sudo")
# QEMU's user network: the guest's address, and the gateway that stands for this machine.
ADDRESS, GATEWAY, GATEWAY_MAC = "10.0.2.15", "10.0.2.2", "52:55:0a:00:02:02"
FILES = {
    "etc/systemd/network/eth0.network":
        f"[Match]\nName=eth0\n[Network]\nAddress={ADDRESS}/24\nGateway={GATEWAY}\n",
    "etc/sudoers.d/tester": "tester ALL=(ALL) NOPASSWD: ALL\n",
    "etc/modules-load.d/netconsole.conf": "netconsole\n",
    "etc/hostname": "lab7\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 lab7\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
}


def _root() -> Path:
    """The file system, installed once."""
    suite = Suite(SUITE, config.arch(ARCH).debian)
    suite.update()
    home = cache_dir() / "tools" / f"host-{SUITE}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with locked(home.parent / f"{home.name}.lock"):
        if not home.exists():
            with new_directory(home) as work:
                suite.make_root(work, PACKAGES, what="making the host's root file system")
    return home


class DebianHost(GuestHost):
    """The guest; its netconsole sends to `log_port` of 127.0.0.1."""

    user = "tester"

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.log_port = int(probe.getsockname()[1])

    def system(self) -> list[str]:
        """Boot a fresh copy of the root from a disk, as its own boot loader would."""
        root, disk = self.work / "root", self.work / "disk.img"
        subprocess.run(["cp", "-a", _root(), root], check=True)
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / "etc/modprobe.d/netconsole.conf").write_text(
            f"options netconsole netconsole=6665@{ADDRESS}/eth0,"
            f"{self.log_port}@{GATEWAY}/{GATEWAY_MAC}\n")
        for command in (["useradd", "-m", "-s", "/bin/sh", "tester"],
                        ["systemctl", "enable", "systemd-networkd", "ssh"]):
            tools.run(["chroot", root, *command], what=command[0])
        keys = root / "home/tester/.ssh"
        keys.mkdir(mode=0o700)
        shutil.copy(self.key.with_suffix(".pub"), keys / "authorized_keys")
        tools.run(["chroot", root, "chown", "-R", "tester:", "/home/tester"], what="chown")
        kernel, initrd = self.work / "vmlinuz", self.work / "initrd"
        shutil.copy(next((root / "boot").glob("vmlinuz-*")), kernel)
        shutil.copy(next((root / "boot").glob("initrd.img-*")), initrd)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, disk, "5G"], check=True)
        shutil.rmtree(root)
        return ["-kernel", str(kernel), "-initrd", str(initrd), "-append",
                "root=/dev/vda rw console=ttyS0 panic=1 net.ifnames=0 quiet",
                "-drive", f"file={disk},format=raw,if=none,id=disk,cache=unsafe",
                "-device", "virtio-blk-pci,drive=disk"]

    def listener(self) -> list[str]:
        """A listener for netconsole's datagrams."""
        return ["socat", "-u", f"UDP-RECV:{self.log_port},bind=127.0.0.1", "STDOUT"]

# SPDX-License-Identifier: GPL-2.0
"""A host reached by ssh (configs/hosts.toml): the same agent at the end of an ssh connection.

The system's ssh client does the talking, so keys, ports and jump hosts are as its configuration
has them. The host needs a shell, tar, and for a module that is built there make and headers.
What is put on the host is one directory, which is removed at the end.
"""

import io
import re
import shlex
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mmrace import tools
from mmrace.errors import BuildError, InfraError
from mmrace.hosts import Host
from mmrace.kernel import Kernel, upstream_version
from mmrace.machines.base import MachineLost, console_panic
from mmrace.machines.pipe import PipeMachine

# A connection that carries nothing for a quarter of a minute is taken for lost.
SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5",
               "-o", "ServerAliveCountMax=3")
# What ssh itself exits with when it cannot connect or loses the connection.
SSH_FAILED = 255
RETRY_S = 2.0
CONSOLE_GRACE_S = 3.0

FACTS = r"""
echo "machine $(uname -m)"; echo "release $(uname -r)"; echo "version $(uname -v)"
echo "node $(uname -n)"; echo "boot $(cat /proc/sys/kernel/random/boot_id)"
test -e "/lib/modules/$(uname -r)/build/Makefile" && echo "headers yes"
grep -qs -e '^flags.* hypervisor' -e 'emulated by' /proc/cpuinfo && echo "virtual yes"
grep -qs '^VM00' /proc/sysinfo && echo "virtual yes"
true
"""


@dataclass(frozen=True)
class Facts:
    """What a host says about itself; `boot` differs after every boot."""

    machine: str
    release: str
    version: str
    node: str
    boot: str
    headers: bool
    virtual: bool

    def kernel(self) -> Kernel:
        """The kernel that it runs; Debian tells the upstream version in `uname -v` alone."""
        debian = re.search(r"Debian (\S+)", self.version)
        return Kernel(id="running", arch=self.machine, release=self.release,
                      version=self.version, packages=(), home="/",
                      upstream=upstream_version(debian.group(1) if debian else self.release))


class Remote:
    """Single commands on a host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def command(self, script: str) -> list[str]:
        """The ssh command that has a shell on the host run the script."""
        return [tools.need("ssh", "openssh-client"), *SSH_OPTIONS, *self.host.ssh_args,
                self.host.ssh, script]

    def as_root(self, script: str) -> str:
        """The same script, run as root."""
        return f"{self.host.sudo} sh -c {shlex.quote(script)}".strip()

    def run(self, script: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a script to its end."""
        return subprocess.run(self.command(script), input=stdin, capture_output=True, check=False)

    def must(self, what: str, script: str, stdin: bytes = b"",
             error: type[InfraError] | type[BuildError] = InfraError) -> str:
        """Run a script that must succeed; its output."""
        done = self.run(script, stdin)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
            raise error(f"host {self.host.name}: {what} failed with exit code "
                        f"{done.returncode}:\n  " + "\n  ".join(said[-12:]))
        return done.stdout.decode(errors="replace")

    def facts(self, wait_s: float) -> Facts:
        """Ask the host about itself, for as long as it may take to answer."""
        deadline = time.monotonic() + wait_s
        while True:
            done = self.run(FACTS)
            if done.returncode == 0:
                break
            if done.returncode != SSH_FAILED or time.monotonic() > deadline:
                said = done.stderr.decode(errors="replace").strip().splitlines()
                raise InfraError(f"host {self.host.name} ({self.host.ssh}) does not answer to "
                                 f"ssh: {said[-1].strip() if said else 'it said nothing'}; try: "
                                 f"{shlex.join([*self.command('true')])}")
            time.sleep(RETRY_S)
        said_facts = dict(line.partition(" ")[::2] for line in done.stdout.decode().splitlines())
        return Facts(machine=said_facts["machine"], release=said_facts["release"],
                     version=said_facts["version"], node=said_facts["node"],
                     boot=said_facts["boot"], headers="headers" in said_facts,
                     virtual="virtual" in said_facts)

    def reboot(self, before: Facts) -> None:
        """Reboot the host and wait for it; the host's record says how."""
        self.run(self.as_root(self.host.reboot))
        deadline = time.monotonic() + self.host.wait_s
        while time.monotonic() < deadline:
            try:
                if self.facts(0).boot != before.boot:
                    return
            except InfraError:
                pass    # on its way down or up
            time.sleep(RETRY_S)
        raise InfraError(f"host {self.host.name} did not come back within {self.host.wait_s} s "
                         f"of '{self.host.reboot}'")


def _archive(files: dict[str, Path]) -> bytes:
    """A tar of files under the names that they shall have."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, path in files.items():
            tar.add(path, name)
    return out.getvalue()


class Stage:
    """The directory on the host that holds what we bring."""

    def __init__(self, remote: Remote, facts: Facts) -> None:
        self.remote = remote
        self.facts = facts
        self.home = f"{remote.host.place}/mmrace-{facts.boot[:8]}"

    def put(self, files: dict[str, Path]) -> None:
        """Bring files there, in place of what was there."""
        home = shlex.quote(self.home)
        self.remote.must("copying agent, races and module",
                         self.remote.as_root(f"rm -rf {home} && mkdir -p {home} && "
                                             f"tar -x -f - --no-same-owner -C {home}"),
                         _archive(files))

    def build_module(self) -> str:
        """Build mmrace.ko there from the sources that were put; its path."""
        build = f"/lib/modules/{self.facts.release}/build"
        self.remote.must("building mmrace.ko", self.remote.as_root(
            f"cd {shlex.quote(self.home)}/source && "
            f"make -j$(nproc) -C {build} M=$PWD/module modules && "
            "cp module/mmrace.ko ../mmrace.ko"), error=BuildError)
        return f"{self.home}/mmrace.ko"

    def remove(self) -> None:
        """Leave nothing behind; a host that is gone keeps it until it boots."""
        self.remote.run(self.remote.as_root(f"rm -rf {shlex.quote(self.home)}"))


class SshMachine(PipeMachine):
    """The agent at the end of an ssh connection."""

    kind = "ssh"

    def __init__(self, stage: Stage, run: Path) -> None:
        host = stage.remote.host
        self._stage = stage
        self._host = host
        self._console: subprocess.Popen[bytes] | None = None
        super().__init__(stage.remote.command(
            f"{host.sudo} {shlex.quote(stage.home + '/mmrace-agent')} --stdio".strip()), run)

    def record(self) -> dict[str, Any]:
        """The part of a cell's record that names the machine."""
        facts = self._stage.facts
        return {"kind": "ssh", "accel": "virtual" if facts.virtual else "none",
                "variant": "default", "host": self._host.name, "node": facts.node,
                "labels": list(self._host.labels), "boot": facts.boot}

    def __enter__(self) -> Self:
        self.run.mkdir(parents=True, exist_ok=True)
        if self._host.console:
            with (self.run / "console.log").open("wb") as log:
                self._console = subprocess.Popen(
                    [tools.need(self._host.console[0]), *self._host.console[1:]],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._console:
            self._console.kill()
            self._console.wait()

    def death(self) -> MachineLost:
        """Why the connection ended: what the console says, else what the host says of itself."""
        if self._console:
            time.sleep(CONSOLE_GRACE_S)
            panic = console_panic(self.console())
            if panic:
                return MachineLost("panic", panic)
        ended = f"the connection to {self._host.name} ended ({self.complaint()})"
        try:
            facts = self._stage.remote.facts(self._host.wait_s)
        except InfraError:
            return MachineLost("lost", f"{ended}, and the host did not answer again within "
                                       f"{self._host.wait_s} s")
        if facts.boot != self._stage.facts.boot:
            return MachineLost("lost", f"{ended}: the host has rebooted; a console command in its "
                                       "record would tell why")
        return MachineLost("lost", f"{ended}; the host still runs, in the same boot")

    def console(self) -> str:
        """All that the host's console has printed since the machine was opened."""
        path = self.run / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def power_off(self) -> None:
        """A host is left running, without what was brought."""
        self._stage.remote.run(self._stage.remote.as_root("rmmod mmrace"))
        self._stage.remove()

# SPDX-License-Identifier: GPL-2.0
"""A whole Debian as a host: a login that needs sudo, a module built there, netconsole's panic.

MMRACE_TOOLS=1 runs it: its root file system is 1 GB and takes minutes to make, once.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ssh.debian_host import DebianHost
from tests.ssh.test_ssh import finish, start, wait_for_rounds

pytestmark = [pytest.mark.guest, pytest.mark.skipif(
    not os.environ.get("MMRACE_TOOLS"), reason="MMRACE_TOOLS=1 runs it: it fetches 300 MB")]


@pytest.fixture(name="host", scope="module")
def host_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianHost]:
    """A host that answers, with its record written."""
    with DebianHost(tmp_path_factory.mktemp("debian")) as host:
        (host.work / "hosts.toml").write_text(
            host.record("guest", sudo="sudo -n", module="host", wait_s=400))
        host.wait_for("lsmod | grep netconsole", 400)
        yield host


def test_the_module_is_built_on_the_host_by_a_login_that_needs_sudo(host: DebianHost,
                                                                    tmp_path: Path) -> None:
    # Its compiler runs under emulation.
    [record] = finish(start(host, tmp_path, "--mode", "widened", "--duration", "3"), 1200)
    assert record["verdict"] in ("PASS", "INCONCLUSIVE") and record["rounds"] > 0
    assert record["module"]["error"] is None and record["windows"] == "open"
    assert record["machine"]["node"] == "lab7"
    left = host.shell("ls /var/tmp; cat /proc/modules")
    assert left.returncode == 0 and "mmrace" not in left.stdout


def test_a_panic_is_told_by_netconsole(host: DebianHost, tmp_path: Path) -> None:
    run = start(host, tmp_path, "--duration", "120")
    wait_for_rounds(tmp_path, 1, run, 1200)
    host.shell("echo 'echo c > /proc/sysrq-trigger' | sudo -n setsid sh > /dev/null 2>&1 &")
    [record] = finish(run)
    assert record["verdict"] == "PANIC" and "sysrq triggered crash" in record["reason"]
    assert record["rounds"] > 0

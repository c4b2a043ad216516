# SPDX-License-Identifier: GPL-2.0
"""A host over ssh: a guest with a real ssh server that loses connections, reboots, crashes."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmrace.paths import TREE
from tests.ssh.guest_host import GuestHost

pytestmark = pytest.mark.guest

RACE = ["--race", "stale-translation", "--seed", "3", "--json"]


@pytest.fixture(name="host", scope="module")
def host_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestHost]:
    """A host that answers, with its record written."""
    with GuestHost(tmp_path_factory.mktemp("host")) as host:
        (host.work / "hosts.toml").write_text(
            host.record("guest") + host.record("bold", reboot="reboot -f")
            + host.jump("inner"))
        host.wait_for("true", 120)
        yield host


def start(host: GuestHost, runs: Path, *words: str, name: str = "guest"
          ) -> subprocess.Popen[str]:
    """Start ./mmrace run on the host by one of its names."""
    return subprocess.Popen(
        [str(TREE / "mmrace"), "run", "--on", f"ssh:{name}", *RACE, *words], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "MMRACE_RUNS": str(runs),
             "MMRACE_HOSTS": str(host.work / "hosts.toml")})


def finish(run: subprocess.Popen[str], timeout_s: float = 300) -> list[dict[str, Any]]:
    """Its records."""
    out, err = run.communicate(timeout=timeout_s)
    assert "Traceback" not in err, err
    return [json.loads(line) for line in out.splitlines()]


def wait_for_rounds(runs: Path, cell: int, run: subprocess.Popen[str],
                    timeout_s: float = 200) -> None:
    """Wait until the run's cell of that number (from 1) plays rounds."""
    deadline = time.monotonic() + timeout_s
    while True:
        logs = sorted(runs.glob("*/cells/*/race.ndjson"), key=lambda path: path.stat().st_ctime)
        if len(logs) >= cell and '"progress"' in logs[cell - 1].read_text():
            return
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.1)


def test_a_host_is_used_and_left_clean(host: GuestHost, tmp_path: Path) -> None:
    [record] = finish(start(host, tmp_path, "--mode", "widened", "--duration", "3"))
    assert record["rounds"] > 0 and record["verdict"] in ("PASS", "INCONCLUSIVE")
    assert record["windows"] == "open" and record["exposure"]["count"] > 0
    assert record["machine"]["kind"] == "ssh" and record["machine"]["host"] == "guest"
    assert record["machine"]["accel"] == "virtual" and record["machine"]["labels"] == ["test"]
    assert record["kernel"]["upstream"].startswith("6.1.") and record["kernel"]["id"] == "running"
    left = host.shell("ls /var/tmp; cat /proc/modules")
    assert left.returncode == 0 and "mmrace" not in left.stdout


def test_a_host_behind_a_jump_host(host: GuestHost, tmp_path: Path) -> None:
    [record] = finish(start(host, tmp_path, "--duration", "2", name="inner"))
    assert record["rounds"] > 0 and record["machine"]["host"] == "inner"
    assert record["module"]["error"] is None


def test_doctor_asks_the_hosts(host: GuestHost, tmp_path: Path) -> None:
    records = tmp_path / "hosts.toml"
    records.write_text(host.record("guest") + host.record("bare", module="host")
                       + host.record("odd").replace("x86_64", "s390x")
                       + host.record("away").replace(str(host.port), "9"))
    said = subprocess.run([str(TREE / "mmrace"), "doctor"], capture_output=True, text=True,
                          check=False, env={**os.environ, "MMRACE_HOSTS": str(records)}).stdout
    lines = {name: next(line for line in said.splitlines() if name in line)
             for name in ("guest:", "bare:", "odd:", "host away")}
    assert lines["guest:"].startswith("ok") and "kernel 6.1." in lines["guest:"]
    assert lines["bare:"].startswith("no") and "linux-headers-6.1." in lines["bare:"]
    assert lines["odd:"].startswith("no") and "says s390x" in lines["odd:"]
    assert lines["host away"].startswith("no") and "refused" in lines["host away"]


def test_a_host_gets_no_plant_unasked(host: GuestHost, tmp_path: Path) -> None:
    refused = start(host, tmp_path, "--mode", "control")
    _, err = refused.communicate(timeout=60)
    assert refused.returncode == 2 and "--allow-plants" in err


def test_a_host_is_rebooted_after_a_plant(host: GuestHost, tmp_path: Path) -> None:
    records = finish(start(host, tmp_path, "--mode", "control", "--duration", "2",
                           "--allow-plants", "--boots", "2", name="bold"))
    assert [record["verdict"] for record in records] == ["PASS", "PASS"]
    assert len({record["machine"]["boot"] for record in records}) == 2
    assert all("--allow-plants" in record["replay"] for record in records)


def test_a_host_that_breaks_costs_its_cell_only(host: GuestHost, tmp_path: Path) -> None:
    run = start(host, tmp_path, "--duration", "60", "--boots", "3")
    wait_for_rounds(tmp_path, 1, run)
    host.shell("kill -9 $(cut -d ' ' -f 4 /proc/$(pidof mmrace-agent)/stat)")
    wait_for_rounds(tmp_path, 2, run)
    host.later("reboot -f")
    wait_for_rounds(tmp_path, 3, run)
    host.later("echo c > /proc/sysrq-trigger")
    cut, rebooted, crashed = finish(run)
    [whole] = finish(start(host, tmp_path, "--duration", "1"))
    assert cut["verdict"] == "INFRA" and "in the same boot" in cut["reason"]
    assert rebooted["verdict"] == "INFRA" and "has rebooted" in rebooted["reason"]
    assert crashed["verdict"] == "PANIC" and "sysrq triggered crash" in crashed["reason"]
    assert whole["verdict"] in ("PASS", "INCONCLUSIVE")
    assert all(record["rounds"] > 0 for record in (cut, rebooted, crashed, whole))
    assert len({record["machine"]["boot"] for record in (cut, rebooted, crashed, whole)}) >= 3


def test_a_host_that_is_away_is_infrastructure(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.toml"
    hosts.write_text('[gone]\nssh = "root@127.0.0.1"\narch = "x86_64"\nwait_s = 0\n'
                     'ssh_args = ["-p", "9", "-F", "none"]\n')
    done = subprocess.run(
        [str(TREE / "mmrace"), "run", "--on", "ssh:gone", *RACE], capture_output=True, text=True,
        check=False, env={**os.environ, "MMRACE_RUNS": str(tmp_path / "runs"),
                          "MMRACE_HOSTS": str(hosts)})
    assert done.returncode == 128 and "host gone" in done.stdout
    assert json.loads(done.stdout)["verdict"] == "INFRA"

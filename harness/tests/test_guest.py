# SPDX-License-Identifier: GPL-2.0
"""The product in a real guest: a stock kernel with a known bug, and what becomes of a broken one.

These boot Debian's 6.1 under emulation; each takes 10 to 30 s with a warm cache.
"""

import dataclasses
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mmrace import boots, build, config, initramfs, kernels
from mmrace.cell import Cell
from mmrace.machines import qemu
from mmrace.machines.base import Agent, MachineLost
from mmrace.machines.qemu import QemuMachine
from mmrace.module_view import ModuleView
from mmrace.paths import TREE
from mmrace.progress import Progress
from mmrace.session import Session
from mmrace.store import Run

pytestmark = pytest.mark.guest

RUN = [str(TREE / "mmrace"), "run", "--kernel", "debian:bookworm", "--arch", "x86_64",
       "--race", "lost-write", "--json"]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """The caller's environment with run directories of the test's own."""
    return {**os.environ, "MMRACE_RUNS": str(tmp_path / "runs"), **more}


def test_widened_lost_write_is_found_on_6_1(tmp_path: Path) -> None:
    done = subprocess.run([*RUN, "--mode", "widened", "--duration", "15", "--seed", "7"],
                          capture_output=True, text=True, check=False,
                          env=environment(tmp_path))
    assert done.returncode == 1, done.stderr
    cell: dict[str, Any] = json.loads(done.stdout)
    assert cell["verdict"] == "RACE" and cell["expected"]["met"]
    assert cell["failures"] > 0 and cell["rounds"] >= cell["failures"]
    assert cell["time_to_first_failure_s"] < 15
    assert cell["exposure"]["count"] > 0, "the module saw none of what the oracle proved"
    assert cell["counters"] and cell["windows"] == "open"
    assert (Path(cell["run_dir"]) / "cells" / cell["cell"] / "cell.json").exists()


def test_a_guest_without_the_module_says_so_and_still_judges_data(tmp_path: Path) -> None:
    done = subprocess.run([*RUN, "--no-module", "--duration", "3"], capture_output=True, text=True,
                          check=False, env=environment(tmp_path))
    cell: dict[str, Any] = json.loads(done.stdout)
    assert cell["verdict"] in ("RACE", "INCONCLUSIVE") and cell["rounds"] > 0, done.stderr
    assert cell["name"].endswith(".no-module") and "--no-module" in cell["replay"]
    assert (cell["module"], cell["exposure"], cell["counters"]) == (
        {"build_id": "none", "error": "there is no module (--no-module)"}, None, {})
    assert not cell["taint"]["before"] & (1 << 12), "a module from outside the kernel's tree"


def test_memory_that_was_split_is_made_huge_anew(tmp_path: Path) -> None:
    words = ["one-memory" if word == "lost-write" else word for word in RUN]
    done = subprocess.run([*words, "--option", "change=folio-split", "--duration", "10"],
                          capture_output=True, text=True, check=False, env=environment(tmp_path))
    cell: dict[str, Any] = json.loads(done.stdout)
    assert cell["verdict"] in ("PASS", "INCONCLUSIVE"), done.stderr
    assert cell["exposure"]["counter"] == "probe.thp.split.folio"
    assert cell["exposure"]["count"] >= cell["exposure"]["min"], cell["reason"]


def until_rounds(run: subprocess.Popen[Any], home: Path) -> None:
    """Wait for the race's own word that it has run a round."""
    deadline = time.monotonic() + 300
    while not any(json.loads(line).get("rounds") for log in home.glob("runs/*/cells/*/race.ndjson")
                  for line in log.read_text().splitlines()):
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.2)


def no_guest_left(home: Path) -> bool:
    """Whether no guest of these runs is there; one that was killed may take a moment."""
    deadline = time.monotonic() + 60
    while subprocess.run(["pgrep", "-f", str(home)], stdout=subprocess.PIPE, check=False).stdout:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_run_leaves_no_guest_and_a_readable_result(tmp_path: Path,
                                                                  number: int) -> None:
    # A shell's background job ignores SIGINT, and so would all that it starts.
    with subprocess.Popen(["env", "--default-signal=INT", *RUN, "--duration", "120"],
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, start_new_session=True,
                          env=environment(tmp_path)) as run:
        until_rounds(run, tmp_path)
        os.killpg(run.pid, number)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    record = json.loads(next(tmp_path.glob("runs/*/cells/*/cell.json")).read_text())
    assert record["verdict"] in ("INFRA", "RACE") and record["rounds"] > 0
    assert no_guest_left(tmp_path)


def test_a_killed_harness_leaves_no_guest_and_a_pessimistic_record(tmp_path: Path) -> None:
    with subprocess.Popen([*RUN, "--duration", "120"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, env=environment(tmp_path)) as run:
        until_rounds(run, tmp_path)
        run.kill()
    record = json.loads(next(tmp_path.glob("runs/*/cells/*/cell.json")).read_text())
    assert record["verdict"] == "INFRA" and "harness ended" in record["reason"]
    assert no_guest_left(tmp_path)


def test_an_emulator_that_aborts_while_booting_is_started_once_more(tmp_path: Path) -> None:
    with subprocess.Popen([*RUN, "--duration", "3"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          env=environment(tmp_path)) as run:
        deadline = time.monotonic() + 120
        while not any(path.stat().st_size for path in tmp_path.glob("runs/*/boots/*/console.log")):
            assert time.monotonic() < deadline and run.poll() is None
            time.sleep(0.05)
        subprocess.run(["pkill", "-ABRT", "-f", f"^[^ ]*/emulators/.*{tmp_path}"], check=True)
        out, err = run.communicate(timeout=120)
    cell = json.loads(out)
    assert cell["verdict"] in ("RACE", "INCONCLUSIVE")
    assert "; its first boot was lost (boots/1: QEMU ended with code -6" in cell["reason"]
    assert err.count("booting once more") == 1
    assert len(list(tmp_path.glob("runs/*/boots/*"))) == 2


def stop_while_booting(home: Path) -> None:
    """Stop the emulator of a run's first boot as soon as its kernel says something."""
    deadline = time.monotonic() + 300
    while not any(path.stat().st_size for path in home.glob("*/boots/1/console.log")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    subprocess.run(["pkill", "-STOP", "-f", f"^[^ ]*/emulators/.*{home}.*/boots/1/"], check=True)


def test_a_guest_that_hangs_while_booting_is_booted_once_more(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boots, "BOOT_TIMEOUT_S", 15.0)
    session = Session(Run.create(["test"], tmp_path), Progress(Console(stderr=True)))
    stopper = threading.Thread(target=stop_while_booting, args=(tmp_path,))
    stopper.start()
    (record,) = session.cells([Cell("debian:bookworm", "x86_64", "lost-write", "natural", 2, 1)])
    stopper.join()
    assert record["verdict"] in ("RACE", "INCONCLUSIVE") and record["rounds"] > 0
    assert "; its first boot was lost (boots/1: booting: no answer within" in record["reason"]
    assert len(list(tmp_path.glob("*/boots/*/registers.txt"))) == 1


@pytest.fixture(name="parts", scope="module")
def parts_fixture() -> tuple[kernels.Kernel, Path]:
    """6.1 and an initramfs without the module."""
    kernel = kernels.resolve("debian:bookworm", config.arch("x86_64"))
    return kernel, initramfs.make(kernel, None)


def test_a_panic_is_told_from_a_lost_machine(parts: tuple[kernels.Kernel, Path],
                                             tmp_path: Path) -> None:
    kernel, image = parts
    variant = config.variant("default", "x86_64")
    with QemuMachine(kernel, variant, image, tmp_path / "panic") as machine:
        agent = Agent(machine)
        agent.wait_ready(120)
        with pytest.raises(MachineLost) as lost:
            agent.request("sysrq", "c")
        assert lost.value.kind == "panic" and "Kernel panic" in lost.value.detail
    with QemuMachine(kernel, variant, image, tmp_path / "killed") as machine:
        agent = Agent(machine)
        agent.wait_ready(120)
        machine.qmp("quit")
        with pytest.raises(MachineLost) as lost:
            agent.request("ping")
        assert lost.value.kind == "lost"


def test_a_guest_that_stops_is_a_hang(parts: tuple[kernels.Kernel, Path], tmp_path: Path) -> None:
    kernel, image = parts
    with QemuMachine(kernel, config.variant("one-cpu", "x86_64"), image, tmp_path) as machine:
        agent = Agent(machine, silence_s=4)
        agent.wait_ready(120)
        machine.qmp("stop")
        with pytest.raises(MachineLost) as lost:
            agent.request("ping")
        assert lost.value.kind == "hang" and "while it booted" not in lost.value.detail


def test_a_guest_that_stops_while_it_boots_is_a_hang(parts: tuple[kernels.Kernel, Path],
                                                     tmp_path: Path) -> None:
    kernel, image = parts
    with QemuMachine(kernel, config.variant("one-cpu", "x86_64"), image, tmp_path) as machine:
        machine.qmp("stop")
        with pytest.raises(MachineLost) as lost:
            Agent(machine).wait_ready(2)
        assert lost.value.kind == "hang" and lost.value.detail.startswith("booting: no answer")
    assert "HLT=" in (tmp_path / "registers.txt").read_text()


def test_a_guest_that_panics_at_once_is_a_panic(parts: tuple[kernels.Kernel, Path],
                                                tmp_path: Path) -> None:
    kernel, image = parts
    broken = dataclasses.replace(config.variant("one-cpu", "x86_64"), append="rdinit=/nonexistent "
                                 "root=/dev/nonexistent")
    with QemuMachine(kernel, broken, image, tmp_path) as machine:
        with pytest.raises(MachineLost) as lost:
            Agent(machine).wait_ready(120)
        assert lost.value.kind == "panic" and "Kernel panic" in lost.value.detail


def test_a_module_that_does_not_load_is_said(parts: tuple[kernels.Kernel, Path],
                                             tmp_path: Path) -> None:
    kernel, _ = parts
    program = build.agent(config.arch("x86_64"))
    image = initramfs.make(kernel, program)
    with QemuMachine(kernel, config.variant("one-cpu", "x86_64"), image,
                     tmp_path / "boot") as machine:
        agent = Agent(machine)
        agent.wait_ready(120)
        error = ModuleView(agent).insert()
        assert error and "the module did not load: Exec format error" in error


def test_a_silent_guest_tells_where_its_cpus_are(parts: tuple[kernels.Kernel, Path],
                                                 tmp_path: Path) -> None:
    kernel, image = parts
    with QemuMachine(kernel, config.variant("one-cpu", "x86_64"), image, tmp_path) as machine:
        Agent(machine).wait_ready(120)
        machine.autopsy()
        assert "RIP=" in (tmp_path / "registers.txt").read_text()
        deadline = time.monotonic() + 60
        while "sysrq: Show Blocked State" not in machine.console():
            assert time.monotonic() < deadline, "the kernel was not asked, or did not answer"
            time.sleep(0.2)


def test_a_panic_that_never_ends_is_a_panic(parts: tuple[kernels.Kernel, Path], tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, image = parts
    monkeypatch.setattr(qemu, "PANIC_ENDS_S", 1.0)
    waits = dataclasses.replace(config.variant("one-cpu", "x86_64"), append="panic=0")
    with QemuMachine(kernel, waits, image, tmp_path) as machine:
        agent = Agent(machine)
        agent.wait_ready(120)
        with pytest.raises(MachineLost) as lost:
            agent.request("sysrq", "c")
        assert lost.value.kind == "panic" and "sysrq triggered crash" in lost.value.detail


@pytest.mark.parametrize("form, magic", [("kdump", b"KDUMP   "), ("elf", b"\x7fELF")])
def test_a_panic_leaves_the_guests_memory_when_asked(parts: tuple[kernels.Kernel, Path],
                                                     form: str, magic: bytes,
                                                     tmp_path: Path) -> None:
    kernel, image = parts
    with QemuMachine(kernel, config.variant("one-cpu", "x86_64"), image, tmp_path,
                     vmcore=form) as machine:
        agent = Agent(machine)
        agent.wait_ready(120)
        with pytest.raises(MachineLost) as lost:
            agent.request("sysrq", "c")
        assert lost.value.kind == "panic" and "sysrq triggered crash" in lost.value.detail
    core = tmp_path / "vmcore"
    assert core.stat().st_size > 1 << 20
    with core.open("rb") as file:
        assert file.read(len(magic)) == magic
    core.unlink()

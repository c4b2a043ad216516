# SPDX-License-Identifier: GPL-2.0
"""What a breaking machine sends and prints, and what is made of it."""

import itertools
import os
import subprocess
import sys
import time

import pytest

from mmrace import canary
from mmrace.machines.base import Agent, MachineLost, Message, console_panic, parse_records

OOPS = """\
[   12.000001] BUG: kernel NULL pointer dereference, address: 0000000000000008
[   12.000002] #PF: supervisor write access in kernel mode
[   12.000003] Oops: 0002 [#1] PREEMPT SMP NOPTI
[   12.000004] CPU: 1 PID: 77 Comm: lost-write Not tainted 6.1.0-50-amd64 #1
[   12.000005] RIP: 0010:page_remove_rmap+0x1c/0x2a0
[   12.000006] Kernel panic - not syncing: Fatal exception
[   12.000007] ---[ end Kernel panic - not syncing: Fatal exception ]---
"""


def test_garbage_between_records_costs_no_record() -> None:
    lines = [b'{"t":"beat","seq":1}', b"Welcome to db7", b'{"seq":2', b"[1]", b'{"t":7}', b"",
             b"\xff\xfe", b'{"t":"beat","seq":3}']
    records = parse_records(lines)
    assert [record.get("seq") for record in records if record["t"] == "beat"] == [1, 3]
    assert [record["t"] for record in records].count("garbled") == 5


def test_a_panic_is_named_by_its_cause_and_quoted() -> None:
    panic = console_panic(OOPS)
    assert panic
    name, *quoted = panic.splitlines()
    assert "kernel NULL pointer dereference in page_remove_rmap" in name
    assert "Kernel panic - not syncing: Fatal exception" in name
    assert quoted[0].strip().startswith("BUG: kernel NULL pointer dereference, address")


def test_a_console_without_a_panic_names_none() -> None:
    assert console_panic("[    1.0] WARNING: CPU: 1 PID: 7 at mm/rmap.c:1 f+0x1/0x2\n") is None
    assert console_panic("") is None


class SlowLink:
    """A line on which a record comes after a while."""

    def __init__(self, after_s: float, starves: bool = False, in_turn: bool = False) -> None:
        self._due = time.monotonic() + after_s
        self._starves, self._in_turn = starves, in_turn

    def send(self, line: str) -> None:
        """Nobody listens."""

    def poll(self) -> list[Message]:
        """The record, once it is due."""
        return [{"t": "hello"}] if time.monotonic() >= self._due else []

    def alive(self) -> bool:
        """It never dies."""
        return True

    def death(self) -> MachineLost:
        """It never dies."""
        raise AssertionError("alive")

    def silence(self, detail: str) -> MachineLost:
        """It is slow."""
        return MachineLost("slow", detail)

    def use(self) -> canary.Use:
        """One of its threads waits for a CPU all the time, or each in turn, or none ever."""
        now = time.monotonic()
        waits = {"1": 0.0, "2": now} if self._starves else {"1": 0.0, "2": 7.0}
        if self._in_turn:
            waits = {str(thread): now / 4 for thread in range(4)}
        return canary.Use(waits, canary.CPUS * now)


def test_slowness_is_no_failure() -> None:
    slow = Agent(SlowLink(0.5), silence_s=0.1, slowdown=lambda: 20.0)
    assert slow.wait(lambda record: "hello" in record.values(), 0.1, "booting")["t"] == "hello"


@pytest.mark.parametrize("why", [{"starves": True}, {"in_turn": True}])
def test_a_machine_that_gets_no_cpu_is_not_silent(why: dict[str, bool]) -> None:
    starved = Agent(SlowLink(0.5, **why), silence_s=0.1, slowdown=lambda: 1.0)
    assert starved.wait(lambda record: "hello" in record.values(), 0.1, "booting")["t"] == "hello"


def test_waiting_is_what_the_kernel_says_of_a_process() -> None:
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(3)]
    try:
        for one in busy:
            os.sched_setaffinity(one.pid, {min(os.sched_getaffinity(0))})
        watch = canary.Stopwatch(lambda: canary.use(busy[0].pid))
        before = canary.use(busy[0].pid)
        deadline = time.monotonic() + 60
        while watch.lost_s() < 0.5:
            assert time.monotonic() < deadline, "three on one CPU, and one of them never waits"
            time.sleep(0.1)
        assert watch.had_s() >= 0 and 1 < watch.slowdown() <= canary.SLOWEST
        assert canary.use(busy[0].pid).others_s > before.others_s, "the other two ran, too"
    finally:
        for one in busy:
            one.kill()
            one.wait()
    assert canary.use(busy[0].pid).waits == {}


def test_a_process_that_only_waits_is_as_slow_as_may_be_and_no_slower() -> None:
    waited = itertools.count(0, 1000)
    watch = canary.Stopwatch(lambda: canary.Use({"1": next(waited)}, 0.0))
    for _ in range(1000):
        assert watch.slowdown() <= canary.SLOWEST and watch.had_s() >= 0


def test_silence_is_one_where_nothing_is_slow() -> None:
    quick = Agent(SlowLink(60), silence_s=0.1, slowdown=lambda: 1.0)
    with pytest.raises(MachineLost) as lost:
        quick.run(["/mmrace/races/lost-write"], 30, print)
    assert lost.value.kind == "hang"
    assert lost.value.detail.startswith("nothing heard from the machine ")


def test_why_a_machine_is_silent_that_ran_nothing_is_its_link_s_to_say() -> None:
    for silence_s, says in ((0.1, "nothing heard from the machine while it booted for "),
                            (60.0, "booting: no answer within ")):
        quick = Agent(SlowLink(60), silence_s=silence_s, slowdown=lambda: 1.0)
        with pytest.raises(MachineLost) as lost:
            quick.wait(lambda record: False, 0.4, "booting")
        assert lost.value.kind == "slow" and lost.value.detail.startswith(says)

# SPDX-License-Identifier: GPL-2.0
"""One cause, one name; suppressions; taint; the OOM killer and our own programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmrace import splat
from mmrace.errors import UsageError
from mmrace.splat import patterns

OOPS = [
    "[   10.000001] BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "[   10.000002] Oops: 0000 [#1] PREEMPT SMP NOPTI",
    "[   10.000003] RIP: 0010:zap_pte_range+0x81/0x1000",
    "[   10.000004] ---[ end trace 0000000000000000 ]---",
]
FATAL = "[   10.000005] Kernel panic - not syncing: Fatal exception"


def test_an_oops_and_its_panic_are_one_panic_named_by_the_oops() -> None:
    (found,) = splat.scan([*OOPS, FATAL])
    assert (found.kind, found.verdict, found.line) == ("page-fault", "PANIC", 0)
    assert found.title == "BUG: kernel NULL pointer dereference in zap_pte_range"


def test_a_console_that_says_nothing_leaves_it_to_the_log_that_the_agent_sent() -> None:
    (found,) = splat.scan_first([], OOPS)
    assert found.verdict == "SPLAT"
    assert splat.scan_first([*OOPS, FATAL], OOPS)[0].verdict == "PANIC"
    assert splat.scan_first([], ["brd: module loaded"]) == []


def test_two_oopses_are_two() -> None:
    assert len(splat.scan(OOPS * 2)) == 2


def test_a_panic_of_its_own_after_an_oops_is_not_joined() -> None:
    own = "Kernel panic - not syncing: sysrq triggered crash"
    assert [one.kind for one in splat.scan([*OOPS, own])] == ["page-fault", "panic"]


@pytest.mark.parametrize("lines, name", [
    (["rcu: INFO: rcu_preempt self-detected stall on CPU",
      "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [race:88]",
      "INFO: task race:89 blocked for more than 120 seconds."], "soft-lockup"),
    (["INFO: task race:89 blocked for more than 120 seconds.",
      "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:"], "rcu-stall"),
    (["BUG: workqueue lockup - pool cpus=0 node=0 stuck for 33s!",
      "watchdog: CPU 3 detected hard LOCKUP on other CPUs 1"], "hard-lockup"),
])
def test_one_hang_has_one_name(lines: list[str], name: str) -> None:
    (found,) = splat.scan(lines)
    assert (found.kind, found.verdict) == (name, "HANG")


def test_a_hang_that_panics_is_a_panic_named_by_the_hang() -> None:
    (found,) = splat.scan(["watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [race:88]",
                           "RIP: 0010:spin+0x5/0x10",
                           "Kernel panic - not syncing: softlockup: hung tasks"])
    assert (found.kind, found.verdict, found.title) == (
        "soft-lockup", "PANIC", "BUG: soft lockup in spin")


@pytest.mark.parametrize("line", [
    "INFO: lockdep is turned off.",
    "rcu: INFO: Stall ended before state dump start",
    "traps: race[88] general protection fault ip:401136 sp:7ffc error:0 in race[401000+1000]",
    "race[88]: segfault at 0 ip 0000000000401136 sp 00007ffc error 4 in race[401000+1000]",
    "WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible",
    "WARNING: workqueue cpumask: online intersect > possible intersect",
    "ACPI BIOS Warning (bug): Optional FADT field Pm2ControlBlock has valid Length",
    "User process fault: interruption code 003b ilc:3 in race[1000000+1000]",
    "mmrace: finding law=free-before-flush",
    "Out of memory: Killed process 88 (race) total-vm:788696kB, anon-rss:441992kB",
])
def test_what_only_looks_like_a_splat_is_none(line: str) -> None:
    assert splat.scan([line]) == []


def test_signatures_survive_what_varies() -> None:
    assert (splat.normalise("kernel BUG at /work/a/mm/memory.c:221 in f")
            == splat.normalise("kernel BUG at mm/memory.c:223 in f"))
    assert (splat.normalise("task race:89 blocked for more than 120 seconds")
            == splat.normalise("task other:7 blocked for more than 241 seconds"))
    assert splat.normalise("page at 0xffff888 of ff774a90803dbc10") == "page at # of #"


def test_worst_names_a_log() -> None:
    warning = "WARNING: CPU: 0 PID: 88 at mm/memory.c:7 zap+0x1/0x2"
    found = splat.scan([warning, "---[ end trace 0 ]---", *OOPS, FATAL])
    assert [one.verdict for one in found] == ["SPLAT", "PANIC"]
    named = splat.worst(found)
    assert named is not None and named.kind == "page-fault"
    assert splat.worst([]) is None


def test_the_oom_killer_and_our_own() -> None:
    kill = "[ 9.1] Out of memory: Killed process 137 (mmrace-agent) total-vm:788696kB, UID:0"
    assert splat.killed_by_oom([kill]) == "mmrace-agent"
    assert splat.killed_by_oom([kill], ["lost-write"]) is None
    group = "Memory cgroup out of memory: Killed process 5 (a-race-with-a-l) total-vm:1kB"
    assert splat.killed_by_oom([group], ["a-race-with-a-long-name"]) == "a-race-with-a-long-name"


def test_taint() -> None:
    assert [one.letter for one in splat.decode(12800)] == ["W", "O", "E"]
    assert [one.letter for one in splat.new_faults(1 << 12, 1 << 12 | 1 << 9 | 1 << 13)] == ["W"]
    assert splat.new_faults(0, 1 << 25)[0].fault
    old = "CPU: 0 PID: 88 Comm: busybox Tainted: G        W  OE      6.1.0-50-amd64 #1"
    new = "CPU: 0 UID: 0 PID: 1 Comm: x Tainted: [W]=WARN, [O]=OOT_MODULE 6.12.107"
    assert [one.letter for one in splat.from_line(old)] == ["W", "O", "E"]
    assert [one.letter for one in splat.from_line(new)] == ["W", "O"]
    assert splat.from_line("CPU: 0 PID: 1 Comm: x Not tainted 6.1.0") == []


@pytest.mark.parametrize("text, complaint", [
    ('[[pattern]]\nkind = "a"\nverdict = "BAD"\nregex = "(?P<title>x)"', "'verdict' must be"),
    ('[[pattern]]\nkind = "a"\nverdict = "HANG"\nregex = "x"', "must name the group title"),
    ('[[suppress]]\nreason = "r"\nregex = "("', "does not compile"),
])
def test_a_bad_entry_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "splats.toml"
    path.write_text(f"hang_order = []\n{text}\n")
    with pytest.raises(UsageError, match=complaint):
        patterns.patterns(path)


def test_every_suppression_has_a_reason_and_every_hang_a_place() -> None:
    known = patterns.patterns()
    assert all(len(reason) > 20 for _, reason in known.suppressions)
    hangs = {one.kind for one in known.patterns if one.verdict == "HANG"}
    assert hangs == set(known.hang_order)

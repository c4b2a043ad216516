# SPDX-License-Identifier: GPL-2.0
"""The real agent, built here and spoken to over its pipe."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmrace import build, config
from mmrace.machines.base import Agent, MachineLost, Message
from mmrace.machines.local import LocalMachine


@pytest.fixture(name="agent")
def agent_fixture(tmp_path: Path) -> Iterator[Agent]:
    """A running agent."""
    binary = build.agent(config.arch(os.uname().machine))
    with LocalMachine(binary, tmp_path) as machine:
        agent = Agent(machine)
        agent.wait_ready(10)
        yield agent


def run(agent: Agent, script: str, timeout_s: float = 10) -> tuple[Message, list[Message]]:
    """Run a shell script through the agent."""
    seen: list[Message] = []
    end = agent.run(["/bin/sh", "-c", script, "sh", "@REPORT"], timeout_s, seen.append)
    return end, seen


def test_hello_tells_the_machine(agent: Agent) -> None:
    assert agent.hello and agent.hello["release"] == os.uname().release
    assert agent.hello["page_size"] == os.sysconf("SC_PAGESIZE")


def test_the_log_of_a_host_begins_now(tmp_path: Path) -> None:
    with open("/dev/kmsg", "w", encoding="utf-8") as log:
        log.write("mmrace test: before\n")
    with LocalMachine(build.agent(config.arch(os.uname().machine)), tmp_path) as machine:
        agent = Agent(machine)
        agent.wait_ready(10)
        with open("/dev/kmsg", "w", encoding="utf-8") as log:
            log.write("mmrace test: after\n")
        agent.wait(lambda record: record["t"] == "kmsg" and "after" in record["text"], 10, "log")
        assert not [record for record in agent.kmsg if "mmrace test: before" in record["text"]]


def test_many_files_are_read_at_once(agent: Agent, tmp_path: Path) -> None:
    names = [tmp_path / str(number) for number in range(50)]
    for name in names[1:]:
        name.write_text(f"in {name.name}\n")
    texts = agent.read_all(map(str, names))
    assert texts.pop(str(names[0])) is None
    assert texts == {str(name): f"in {name.name}\n" for name in names[1:]}
    assert not agent.read_all(())


def test_a_child_is_relayed_whole(agent: Agent) -> None:
    end, seen = run(agent, "echo out; echo err >&2; "
                           """echo '{"ev":"end","n":1}' > "/dev/fd/$1"; exit 3""")
    assert (end["status"], end["signal"], end["timed_out"]) == (3, None, False)
    assert [(r["fd"], r["text"]) for r in seen if r["t"] == "out" and r["fd"] == 1] == [(1, "out")]
    assert [r["text"] for r in seen if r["t"] == "out" and r["fd"] == 2] == ["err"]
    assert [r["r"] for r in seen if r["t"] == "race"] == [{"ev": "end", "n": 1}]


def test_sequence_numbers_have_no_gaps(agent: Agent) -> None:
    _, seen = run(agent, "for i in 1 2 3 4 5 6 7 8 9; do echo $i; done")
    numbers = [record["seq"] for record in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_hostile_output_cannot_break_a_record(agent: Agent) -> None:
    _, seen = run(agent, r'''printf '"\\\001\377\t{\n'; echo '{"torn"' > "/dev/fd/$1" ''')
    texts = [record["text"] for record in seen if record["t"] == "out"]
    assert texts == ['"\\\x01\xff\t{', '{"torn"']


def test_a_child_that_overstays_is_ended_with_its_children(agent: Agent) -> None:
    started = time.monotonic()
    end, _ = run(agent, "trap '' TERM; sleep 100 & echo $! > /dev/null; wait; sleep 100", 0.5)
    assert end["timed_out"] and end["signal"] == 9
    assert time.monotonic() - started < 20


def test_a_left_over_child_does_not_hold_the_exit_back(agent: Agent) -> None:
    started = time.monotonic()
    end, _ = run(agent, "sleep 100 & exit 0")
    assert end["status"] == 0 and time.monotonic() - started < 5


def test_files_are_read_written_and_errors_named(agent: Agent, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.touch()
    assert agent.write(str(target), "a b c") is None
    assert agent.read(str(target)) == "a b c"
    assert "file" in (agent.read(str(tmp_path)) or "").splitlines()
    assert agent.read("/nonexistent") is None
    assert agent.write("/nonexistent/x", "y") == "No such file or directory"


def test_a_program_that_is_missing_is_an_exit_127(agent: Agent) -> None:
    seen: list[Message] = []
    end = agent.run(["/nonexistent/race"], 5, seen.append)
    assert end["status"] == 127
    assert any("No such file" in record.get("text", "") for record in seen)


@pytest.mark.parametrize("word", ["a\tb", "a\nb"])
def test_a_field_that_would_split_is_refused(agent: Agent, word: str) -> None:
    with pytest.raises(ValueError, match="TAB or newline"):
        agent.read(f"/tmp/{word}")


def test_unknown_commands_are_refused(agent: Agent) -> None:
    answer = agent.request("frobnicate")
    assert not answer["ok"] and answer["error"] == "Invalid argument"


def test_a_dead_agent_is_lost_not_silent(agent: Agent) -> None:
    agent.link.send("poweroff")
    with pytest.raises(MachineLost) as lost:
        agent.wait(lambda record: False, 10, "nothing")
    assert lost.value.kind == "lost"

# SPDX-License-Identifier: GPL-2.0
"""The page of `./mmrace races`: what cells add up to, and what it says of silence."""

from typing import Any

from mmrace.race_matrix import markdown


TRIXIE = "6.12.107 (debian:trixie) x86_64 qemu/tcg"


def record(mode: str, verdict: str, **more: Any) -> dict[str, Any]:
    """One cell's record, as far as the page reads it."""
    return {"race": "lost-write", "mode": mode, "arch": "x86_64", "verdict": verdict,
            "kernel": {"id": "debian:trixie", "upstream": "6.12.107"},
            "machine": {"kind": "qemu", "accel": "tcg", "variant": "default"},
            "reason": "why", "options": {}, "rounds": 10,
            "failures": 0, "elapsed_s": 5.0, "exposure": {"counter": "x", "count": 20, "min": 1},
            "time_to_first_failure_s": None,
            "expected": {"verdicts": ["PASS"], "met": True, "reason": "known since long"}} | more


def row(*records: dict[str, Any], place: str = TRIXIE) -> list[str]:
    """The cells of a place's row."""
    found = [line for line in markdown(records).splitlines() if line.startswith(f"| {place} |")]
    assert len(found) == 1, markdown(records)
    return [cell.strip() for cell in found[0].strip("|").split("|")][1:]


def test_cells_of_one_place_are_added_up() -> None:
    natural, widened, control = row(
        record("natural", "PASS"), record("natural", "INCONCLUSIVE", rounds=30),
        record("control", "PASS", time_to_first_failure_s=0.25, failures=3))
    assert natural == "1 PASS, 1 INCONCLUSIVE: 0 in 40 rounds; 4.0/s, exposed 4.0/s"
    assert widened == "-"
    assert control == "0.25 s"


def test_a_control_that_was_missed_is_said() -> None:
    missed = record("control", "INCONCLUSIVE", expected={"met": False})
    assert row(missed)[2] == "INCONCLUSIVE (NEWS): not detected in 10 rounds, 5 s"
    found = record("control", "PASS", time_to_first_failure_s=2.0)
    assert row(found, missed, found)[2] == "2.00 s (median; 2 of 3 runs)"
    assert row(record("control", "PASS"))[2] == "not by data"


def test_known_failures_and_skips_have_their_reasons_once() -> None:
    page = markdown([record("natural", "RACE", failures=2), record("widened", "RACE"),
                     record("natural", "SKIP", arch="s390x", reason="no huge pages"),
                     record("widened", "SKIP", arch="s390x", reason="no huge pages")])
    assert page.count(f"- known: known since long ({TRIXIE})") == 1
    assert page.count(f"- SKIP: no huge pages ({TRIXIE.replace('x86_64', 's390x')})") == 1
    assert not [line for line in page.splitlines() if line.startswith("|") and "s390x" in line]


def test_news_is_told_from_what_is_known() -> None:
    news = record("natural", "RACE", failures=1, expected={"met": False, "reason": "none known"})
    assert row(news)[0].startswith("RACE (NEWS): 1 in 10 rounds")
    assert "none known" not in markdown([news])


def test_what_is_not_alike_is_not_added_up() -> None:
    plain = record("natural", "PASS")
    for other, place in (
            ({"machine": {"kind": "qemu", "accel": "tcg", "variant": "numa"}}, f"{TRIXIE}/numa"),
            ({"machine": {"kind": "ssh", "accel": "metal"}},
             TRIXIE.replace("qemu/tcg", "ssh/metal")),
            ({"kernel": {"id": "debian:trixie+64k", "upstream": "6.12.107"}},
             TRIXIE.replace("trixie", "trixie+64k"))):
        for where in (TRIXIE, place):
            assert row(plain, plain | other, place=where)[0].startswith("PASS: 0 in 10 rounds")
    page = markdown([plain, plain | {"options": {"zap": "munmap"}}])
    assert "## lost-write\n" in page and "## lost-write zap=munmap\n" in page


def test_kernels_are_in_the_order_of_their_versions() -> None:
    page = markdown([record("natural", "PASS", kernel={"id": "k", "upstream": version})
                     for version in ("6.12.107", "6.1.176", "7.2.13")])
    at = [page.index(f"| {version} ") for version in ("6.1.176", "6.12.107", "7.2.13")]
    assert at == sorted(at)


def test_cells_without_the_module_are_not_added_to_those_with_it() -> None:
    bare = record("natural", "RACE", failures=1, exposure=None,
                  module={"build_id": "none", "error": "there is no module (--no-module)"})
    with_it = record("natural", "PASS", module={"build_id": "1", "error": None})
    assert row(with_it, bare)[0].startswith("PASS: 0 in 10 rounds")
    assert row(with_it, bare, place=f"{TRIXIE}, without the module")[0].startswith("RACE: 1 in 10")

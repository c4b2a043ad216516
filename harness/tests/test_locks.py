# SPDX-License-Identifier: GPL-2.0
"""Two commands and one cache: the second waits, and says so when it takes long."""

import threading
from pathlib import Path

import pytest
from mmrace import locks


def test_who_waits_for_long_says_for_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.3)
    path = tmp_path / "cache" / "lock"
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.locked(path):
            held.set()
            free.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    threading.Timer(1.0, free.set).start()
    with locks.locked(path):
        assert free.is_set()
    holder.join()
    assert capsys.readouterr().err == (
        f"mmrace: waiting for another command, which holds {path}\n")


def test_who_need_not_wait_says_nothing(tmp_path: Path,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    with locks.locked(tmp_path / "lock"):
        pass
    assert capsys.readouterr().err == ""

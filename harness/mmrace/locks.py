# SPDX-License-Identifier: GPL-2.0
"""Advisory locks and atomic directories, so that two commands can share one cache."""

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmrace.errors import InfraError


# Whoever holds a lock for longer builds something: those who wait are told, after so many seconds.
PATIENCE_S = 5.0
_LOOK_S = 0.1


def _acquire(handle: IO[str], path: Path) -> None:
    told_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < told_at:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_LOOK_S)
    print(f"mmrace: waiting for another command, which holds {path}", file=sys.stderr, flush=True)
    fcntl.flock(handle, fcntl.LOCK_EX)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file while the block runs."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a")
    except OSError as error:
        raise InfraError(f"cannot write {path}: {error.strerror}; free some disk space or set "
                         "MMRACE_CACHE to a directory that can be written") from None
    with handle:
        _acquire(handle, path)
        yield


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Fill a temporary directory that becomes `target` only if the block succeeds.

    What was at `target` is replaced. A failed or killed block leaves `target` untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    os.chmod(work, 0o755)
    try:
        yield work
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
            target.rename(old / "x")
            work.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)

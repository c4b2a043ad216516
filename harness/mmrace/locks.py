# SPDX-License-Identifier: GPL-2.0
"""Advisory locks and atomic directories, so that two commands can share one cache."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmrace.errors import InfraError


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
        fcntl.flock(handle, fcntl.LOCK_EX)
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

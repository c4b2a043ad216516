# SPDX-License-Identifier: GPL-2.0
"""A guest that is booted to be asked what the module has on its kernel."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from mmrace import config
from mmrace.boots import Preparation, open_boot
from mmrace.cell import Place
from mmrace.errors import InfraError
from mmrace.kernels import parse_id
from mmrace.machines.base import MachineLost
from mmrace.module_view import ModuleView
from mmrace.progress import Progress


@contextmanager
def module_on(place: Place) -> Iterator[ModuleView]:
    """The module with its plants, loaded on a guest of `place`; InfraError when it cannot be."""
    parse_id(place.kernel, config.arch(place.arch))
    config.variant(place.variant, place.arch)
    progress = Progress(Console(stderr=True))
    with tempfile.TemporaryDirectory(prefix="mmrace-list-") as home:
        try:
            with open_boot(Preparation(progress), place, Path(home)) as boot:
                boot.start("allow_plants=1")
                progress.close()
                if boot.module_error:
                    raise InfraError(boot.module_error)
                yield boot.module
        except MachineLost as error:
            raise InfraError(f"the guest was lost: {error.detail}") from None
        finally:
            progress.close()

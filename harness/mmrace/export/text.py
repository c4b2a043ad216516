# SPDX-License-Identifier: GPL-2.0
"""YAML, which only exports need, so that its package is asked for only then."""

import importlib
from typing import Any

from mmrace.errors import MissingError


def yaml_text(data: dict[str, Any]) -> str:
    """The data as YAML, in its own order."""
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise MissingError("python3-yaml is missing: apt-get install python3-yaml") from None
    return str(yaml.safe_dump(data, sort_keys=False, width=100))

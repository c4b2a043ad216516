# SPDX-License-Identifier: GPL-2.0
"""Views over a run directory: terminal, KTAP, JUnit, JSON and one self-contained HTML page."""

from __future__ import annotations

from .terminal import print_summary

__all__ = ["print_summary"]

# SPDX-License-Identifier: GPL-2.0
"""Machines under test: an emulated guest, or the one that this runs on."""

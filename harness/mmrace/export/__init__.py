# SPDX-License-Identifier: GPL-2.0
"""Descriptions of a matrix for the engines that labs run their boards and guests with."""

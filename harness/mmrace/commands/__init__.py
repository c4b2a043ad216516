# SPDX-License-Identifier: GPL-2.0
"""One file for each command of ./mmrace; each has add_arguments(parser) and main(args) -> int."""

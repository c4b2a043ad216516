# SPDX-License-Identifier: GPL-2.0
"""./mmrace bisect: name the kernel or commit that brought, or fixed, an intermittent failure."""

from mmrace.bisect.cli import main
from mmrace.bisect.options import add_arguments

__all__ = ["EPILOG", "HELP", "add_arguments", "main"]

HELP = "name the kernel or commit that brought, or fixed, an intermittent failure"
EPILOG = """\
exit codes: 0 named; 3 a set only; 4 no change between good and bad; 5 undecided; 2 usage.

examples:
  ./mmrace bisect --kernels debian:bookworm,debian:trixie --race lost-write --find fix \\
      --mode widened --duration 5
  ./mmrace bisect --tree linux --good v6.11 --bad v6.12 --race lost-write --path mm --budget 3h
  ./mmrace bisect --tree linux --good v6.11 --bad v6.12 --build 'make -s' --run './try-once'
  ./mmrace bisect --resume runs/20260101-120000
  ./mmrace bisect --calibrate --trials 100 --json
"""

# SPDX-License-Identifier: GPL-2.0
"""`python3 -m mmrace`: the same as ./mmrace."""

import sys

from mmrace.cli import main

sys.exit(main())

# SPDX-License-Identifier: GPL-2.0
"""`python3 -m mmrace`: the same as ./mmrace."""

import signal
import sys

from mmrace.cli import main

# `timeout`, systemd and CI engines end a job with SIGTERM: as with Ctrl-C, guests are ended and
# what was observed is summed up. Here and not in main(), which tests call from threads.
signal.signal(signal.SIGTERM, signal.default_int_handler)
sys.exit(main())

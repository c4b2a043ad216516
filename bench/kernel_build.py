#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What building a kernel costs: from nothing, with a warm compiler cache, and one changed file.

    PYTHONPATH=harness bench/kernel_build.py [--suite trixie] [--arch x86_64] [--scenario slim]
        [--only cold|warm|one-file]

Wall and CPU seconds; on a machine that does other things, too, only the latter mean much.
`one-file` is the mean of two builds that each change mm/memory.c, and starts from a built tree.
"""

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

from mmrace import config, kernels
from mmrace.paths import cache_dir

PATCH = """\
--- a/mm/memory.c
+++ b/mm/memory.c
@@ -1,1 +1,2 @@
+const char mmrace_bench_{stamp}[] = "{stamp}";
 {first}
"""


def build(kernel_id: str, arch: str) -> tuple[float, float]:
    """Wall and CPU seconds of one build."""
    wall, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    kernels.resolve(kernel_id, config.arch(arch))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (time.monotonic() - wall,
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def forget(kernel_id: str, args: argparse.Namespace) -> None:
    """Remove the kernel and its build directory; sources and build roots stay."""
    home = Path(kernels.resolve(kernel_id, config.arch(args.arch)).home)
    shutil.rmtree(home)
    for slot in (cache_dir() / "trees").glob(f"linux-source-{args.suite}-*"):
        shutil.rmtree(slot / f"{args.arch}-{args.scenario}", ignore_errors=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="trixie")
    parser.add_argument("--arch", default="x86_64")
    parser.add_argument("--scenario", default="slim")
    parser.add_argument("--only", choices=("cold", "warm", "one-file"))
    args = parser.parse_args()
    kernel_id = f"source:{args.suite}+{args.scenario}"
    print(f"{kernel_id} {args.arch}, {os.cpu_count()} CPUs: seconds wall / CPU", flush=True)
    for name, disable in (("cold", "1"), ("warm", "")):
        if args.only in (None, name):
            forget(kernel_id, args)
            os.environ["CCACHE_DISABLE"] = disable
            if not disable:
                del os.environ["CCACHE_DISABLE"]
            print(f"{name:9} {'%.0f / %.0f' % build(kernel_id, args.arch)}", flush=True)
    if args.only in (None, "one-file"):
        kernels.resolve(kernel_id, config.arch(args.arch))
        changed = next((cache_dir() / "trees").glob(f"linux-source-{args.suite}-*/src/mm/memory.c"))
        first = changed.read_text().splitlines()[0]
        with tempfile.TemporaryDirectory() as work:
            costs = []
            for stamp in range(2):
                patch = Path(work) / f"{stamp}.patch"
                patch.write_text(PATCH.format(stamp=f"{os.getpid()}_{stamp}", first=first))
                costs.append(build(f"{kernel_id},{patch}", args.arch))
            wall, cpu = (sum(column) / len(costs) for column in zip(*costs))
            print(f"one-file  {wall:.0f} / {cpu:.0f}", flush=True)


if __name__ == "__main__":
    main()

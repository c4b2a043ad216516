# SPDX-License-Identifier: GPL-2.0
"""LAVA jobs: one a guest, whose console LAVA's test monitor reads.

Checked against the schema of lava-common 2023.01 (Debian 12) and the device type `qemu` of its
lava-server.
"""

import shlex
from pathlib import Path
from typing import Any

from mmrace.errors import UsageError
from mmrace.export.guests import BEGUN, BOOT_S, FIRST_WORD, GOOD, LAST_WORD, Guest
from mmrace.export.text import yaml_text

# What the device type `qemu` calls an architecture where it is not as uname -m has it.
ARCHES = {"ppc64le": "ppc64"}

# An exit record of the agent's; a race that was killed has no exit code.
RESULT = r'"t":"exit","id":"(?P<test_case_id>[^"]+)","status":(?P<result>[0-9]+|null)'


def _results(controls: bool) -> dict[str, str]:
    good = GOOD[controls]
    return {"0": "fail", "1": "fail", "2": "unknown", "4": "skip", "5": "unknown",
            "127": "unknown", "null": "unknown", good: "pass"}


def _timeout(seconds: int) -> dict[str, int]:
    return {"minutes": seconds // 60 + 1}


def job(guest: Guest, url: str, device_type: str) -> dict[str, Any]:
    """The job that runs a guest; its files are below `url`."""
    machine = guest.machine()
    if "{" in guest.append or '"' in guest.append:
        raise UsageError(f"{guest.name}: LAVA cannot quote this kernel command line: "
                         f"{guest.append}")
    return {
        "job_name": f"mmrace {guest.name}",
        "device_type": device_type,
        "visibility": "public",
        "priority": "medium",
        "timeouts": {"job": _timeout(guest.seconds + 2 * BOOT_S), "action": _timeout(BOOT_S),
                     "connection": _timeout(BOOT_S)},
        "context": {"arch": ARCHES.get(guest.arch.name, guest.arch.name), "no_kvm": "true",
                    "machine": machine["machine"], "memory": f"{guest.variant.memory_mib}M",
                    "extra_options": [shlex.join(option) for option in [
                        ["-machine", machine["machine"]], ["-cpu", machine["cpu"]],
                        *guest.options()]]},
        "metadata": {"replay": [cell.replay() for cell in guest.cells]},
        "actions": [
            {"deploy": {
                "to": "tmpfs", "timeout": _timeout(BOOT_S),
                "images": {
                    "kernel": {"url": f"{url}/{guest.kernel}",
                               "image_arg": f'-kernel {{kernel}} -append "{guest.append}"'},
                    "initrd": {"url": f"{url}/{guest.initrd}",
                               "image_arg": "-initrd {initrd}"}}}},
            {"boot": {"method": "qemu", "media": "tmpfs", "timeout": _timeout(BOOT_S),
                      "prompts": [FIRST_WORD]}},
            {"test": {
                "timeout": _timeout(guest.seconds),
                "monitors": [{"name": "mmrace", "start": BEGUN,
                              "end": LAST_WORD, "pattern": RESULT,
                              "fixupdict": _results(guest.controls)}]}},
        ],
    }


def write(guest: Guest, output: Path, url: str, device_type: str) -> Path:
    """Write the guest's job; its file."""
    path = output / f"{guest.name}.yaml"
    path.write_text(yaml_text(job(guest, url, device_type)))
    return path

# SPDX-License-Identifier: GPL-2.0
"""What a machine is given: where races and module are on it, and how they get onto a host."""

from dataclasses import dataclass
from pathlib import Path

from mmrace import build, config, hosts, kernels
from mmrace.archive import Suite
from mmrace.errors import BuildError, InfraError
from mmrace.hosts import Host
from mmrace.machines.ssh import Facts, Remote, Stage
from mmrace.paths import TREE


@dataclass(frozen=True)
class Parts:
    """Paths on the machine, the module's build id, or why there is no module."""

    races_dir: str
    ko: str | None = None
    module_build: str = "unknown"
    scratch: str | None = None
    module_error: str | None = None


def _module_here(facts: Facts) -> build.Module:
    """mmrace.ko for a host's kernel, built here: the kernel must be one that a suite has now."""
    arch = config.arch(facts.machine)
    for name, kernel in config.debian_kernels().items():
        if arch.name not in kernel.arches:
            continue
        suite = Suite(kernel.suite, arch.debian)
        suite.update()
        if kernels.newest_release(suite, kernel.meta("image", arch))[0] == facts.release:
            return build.module(kernels.resolve(f"debian:{name}", arch))
    raise InfraError(f"no module: no Debian suite has kernel {facts.release} as its newest, so it "
                     "cannot be built here; install the kernel's headers on the host")


def _with_module(host: Host, stage: Stage, files: dict[str, Path]) -> tuple[str, str]:
    """Put the files and the module there; the module's path and build id."""
    if host.module == "host" or (host.module == "auto" and stage.facts.headers):
        sources = [TREE / part for part in build.MODULE_SOURCES]
        stage.put(files | {f"source/{part.name}": part for part in sources})
        return stage.build_module(), build.digest(*sources)
    module = _module_here(stage.facts)
    stage.put(files | {"mmrace.ko": module.path})
    return f"{stage.home}/mmrace.ko", module.build_id


def for_host(host: Host, unclean: bool) -> tuple[Stage, Parts]:
    """Bring agent, races and module to a host; rebooted first when `unclean` and it may be."""
    remote = Remote(host)
    facts = remote.facts(host.wait_s)
    if facts.machine != host.arch:
        raise InfraError(f"host {host.name} is {facts.machine}, but {hosts.hosts_file()} says "
                         f"{host.arch}")
    if unclean and host.reboot:
        remote.reboot(facts)
        facts = remote.facts(host.wait_s)
    arch = config.arch(facts.machine)
    races = build.races(arch)
    files = {"mmrace-agent": build.agent(arch),
             **{f"races/{name}": races / name for name in build.race_names()}}
    stage = Stage(remote, facts)
    races_dir, scratch = f"{stage.home}/races", host.scratch or None
    error = f"no module: the record of host {host.name} says so"
    if host.module != "none":
        try:
            ko, module_build = _with_module(host, stage, files)
            return stage, Parts(races_dir, ko, module_build, scratch)
        except (BuildError, InfraError) as failure:
            error = str(failure)
    stage.put(files)
    return stage, Parts(races_dir, scratch=scratch, module_error=error)

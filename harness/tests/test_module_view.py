# SPDX-License-Identifier: GPL-2.0
"""Reading the module's files, as docs/contracts.md writes them."""

from mmrace.machines.base import Agent
from mmrace.module_view import DEBUGFS, ModuleView

FILES = {
    "probes": "# mmrace probes 1\n"
              "tlb.flush tlb armed flush_tlb_mm_range 12 3 yes -\n"
              "gather.page gather absent - 0 0 no inlined on this kernel\n",
    "plants": "# mmrace plants 1\nskip.tlb.zap off flush_tlb_mm_range 0 -\n",
    "themes": "# mmrace themes 1\nprobe tlb.flush lost-write\nplant skip.tlb.zap lost-write\n",
    "counters": "# mmrace counters 1\nexposure.lost-write 5\npending.dropped 0\n",
    "findings": '# mmrace findings 1\n{"law":"x","count":2}\n',
}


class FileAgent(Agent):
    """An agent that only reads, from a table of texts in the contract's form."""

    def __init__(self) -> None:
        pass

    def read(self, path: str) -> str | None:
        return FILES.get(path.removeprefix(f"{DEBUGFS}/"))


def test_probes_are_read_with_reason() -> None:
    flush, page = ModuleView(FileAgent()).probes()
    assert (flush.name, flush.state, flush.hits, flush.missed, flush.window, flush.reason) == (
        "tlb.flush", "armed", 12, 3, True, "")
    assert page.reason == "inlined on this kernel"


def test_counters_and_findings_are_read() -> None:
    view = ModuleView(FileAgent())
    assert view.counters() == {"exposure.lost-write": 5, "pending.dropped": 0}
    assert view.findings() == [{"law": "x", "count": 2}]
    assert not view.present()


def test_rows_have_themes() -> None:
    view = ModuleView(FileAgent())
    assert [probe.theme for probe in view.probes()] == ["lost-write", "-"]
    assert view.table("plants") == [{"name": "skip.tlb.zap", "theme": "lost-write", "state": "off",
                                     "symbol": "flush_tlb_mm_range", "hits": "0", "reason": "-"}]

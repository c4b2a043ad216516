# SPDX-License-Identifier: GPL-2.0
"""docs/module-matrix.md against the module on a kernel that is booted now."""

from dataclasses import replace

import pytest

from mmrace.cell import Place
from mmrace.commands.caps import PAGE
from mmrace.module_matrix import Row, markdown, measure
from tests.guest_programs import GUESTS

MEND = "run ./mmrace caps --write"


def upstream(release: str) -> str:
    """"6.12 amd64" of 6.12.107+deb13-amd64: a newer package of the same kernel has the same."""
    return f"{'.'.join(release.split('.')[:2])} {release.rpartition('-')[2]}"


def about(page: str, place: Place, release: str) -> tuple[str, str]:
    """The page's table row and section of a place, less the release; it may be an older one's."""
    row = section = ""
    for line in page.splitlines():
        if line.startswith("| "):
            cells = line.strip("| ").split(" | ")
            if cells[1:3] == [place.arch, place.variant] and upstream(cells[0]) == release:
                row = " | ".join(cells[1:])
    for part in page.split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        words = title.split()
        if words[1:] == [place.arch, place.variant] and upstream(words[0]) == release:
            section = text.strip()
    return row, section


ROW = Row(Place("qemu", "debian:trixie", "x86_64", "default"), "6.12.107+deb13-amd64", "native",
          ("gather.begin",), (), ("hash.batch",), ("gather.begin",), ("mm-exit",),
          {"lazy-preemptible": "no batch"}, ("skip.notifier",), ())


def test_a_page_is_found_by_place_and_upstream_version() -> None:
    other = replace(ROW, place=replace(ROW.place, arch="s390x"), plants=())
    page = markdown([ROW, other])
    same = markdown([replace(ROW, release="6.12.110+deb13-amd64")])
    assert about(page, ROW.place, "6.12 amd64") == about(same, ROW.place, "6.12 amd64")
    assert all(about(page, ROW.place, "6.12 amd64"))
    assert about(page, other.place, "6.12 amd64") != about(page, ROW.place, "6.12 amd64")
    assert about(page, ROW.place, "6.1 amd64") == ("", "")
    assert about(markdown([replace(ROW, absent=())]), ROW.place, "6.12 amd64") != about(
        page, ROW.place, "6.12 amd64")


@pytest.mark.guest
@pytest.mark.parametrize("kernel,arch,variant", GUESTS)
def test_the_page_says_what_a_guest_says(kernel: str, arch: str, variant: str) -> None:
    row = measure(Place("qemu", kernel, arch, variant))
    release = upstream(row.release)
    written = about(PAGE.read_text(), row.place, release)
    assert all(written), f"{PAGE.name} has no {release} {arch} {variant}: {MEND}"
    assert written == about(markdown([row]), row.place, release), MEND

# SPDX-License-Identifier: GPL-2.0
"""Kernel trees: what an id names, how a copy is brought to a state, what Kconfig did not grant."""

import json
import os
import shutil
import subprocess
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from mmrace import buildroot, cli, config, kconfig, paths, trees
from mmrace.buildroot import BuildRoot
from mmrace.errors import TreeBuildError, UsageError
from mmrace.kernels import Kernel, parse_id
from mmrace.locks import locked
from mmrace.tree_source import DirectorySource, GitSource, Source

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\nEXTRAVERSION =\n"
PATCH = """\
--- a/mm/memory.c
+++ b/mm/memory.c
@@ -1,2 +1,2 @@
 one
-two
+three
--- /dev/null
+++ b/mm/new.c
@@ -0,0 +1 @@
+new
"""
LONG_AGO_NS = 10 ** 18


@pytest.fixture(name="tree")
def tree_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel tree as far as sources go, and a cache of its own."""
    monkeypatch.setenv("MMRACE_CACHE", str(tmp_path / "cache"))
    tree = tmp_path / "linux+next"
    (tree / "mm").mkdir(parents=True)
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / "mm/memory.c").write_text("one\ntwo\n")
    (tree / "mm/rmap.c").write_text("rmap\n")
    (tree / "link").symlink_to("mm/rmap.c")
    return tree


def git(tree: Path, *words: str) -> str:
    """git in the tree, as somebody."""
    return subprocess.run(["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b",
                           *words], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def commit(tree: Path, message: str) -> str:
    """Commit everything; the commit's id."""
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", message)
    return git(tree, "rev-parse", "HEAD")


def brought(source: Source) -> dict[str, int]:
    """Bring the copy to the state, with all its files' times made old before; those that are new.

    The number of a file is its time of change, which make goes by.
    """
    if source.src.exists():
        for path in source.src.rglob("*"):
            if ".git" not in path.parts and path.is_file():
                os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS), follow_symlinks=False)
    source.bring()
    return {str(path.relative_to(source.src)): path.lstat().st_mtime_ns
            for path in source.src.rglob("*")
            if ".git" not in path.parts and path.is_file() and not path.is_symlink()
            and path.lstat().st_mtime_ns != LONG_AGO_NS}


def test_an_id_names_provider_revision_scenario_and_patch(tree: Path, tmp_path: Path) -> None:
    patch = tmp_path / "p.patch"
    patch.write_text(PATCH)
    arch = config.arch("x86_64")
    plain = parse_id(f"tree:{tree}", arch)
    assert (plain.name, plain.revision, plain.scenario) == (str(tree), "", "slim")
    full = parse_id(f"tree:/linux@v6.1~2+debug,{patch}", arch)
    assert (full.name, full.revision, full.scenario, full.patch) == (
        "/linux", "v6.1~2", "debug", patch)
    assert parse_id("source:trixie+kasan", arch).scenario == "kasan"
    both = parse_id(f"tree:{tree}+debug,{patch}", arch)
    assert (both.name, both.scenario) == (str(tree), "debug"), "a path may hold a +"


@pytest.mark.parametrize("kernel_id, complaint", [
    ("tree:/nowhere", "no Makefile"), ("tree:", "name one as"), ("linux", "name one as"),
    ("source:trixie+fast", "unknown scenario 'fast'"), ("source:woody", "unknown Debian suite"),
    ("source:trixie@v1", "no revisions"), ("source:trixie,/no.patch", "no such patch")])
def test_a_wrong_id_is_a_usage_error_that_says_what_is_wrong(kernel_id: str,
                                                             complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_id(kernel_id, config.arch("x86_64"))


def test_a_directory_is_copied_and_only_what_changed_is_new(tree: Path) -> None:
    first = DirectorySource(tree, None)
    assert set(brought(first)) == {"Makefile", "mm/memory.c", "mm/rmap.c"}
    assert (first.src / "link").readlink() == Path("mm/rmap.c")
    assert first.version == "6.12.3"
    (tree / "mm/memory.c").write_text("one\ntwo\nmore\n")
    (tree / "mm/rmap.c").unlink()
    second = DirectorySource(tree, None)
    assert second.content != first.content
    assert set(brought(second)) == {"mm/memory.c"}
    assert not (second.src / "mm/rmap.c").exists()
    assert brought(DirectorySource(tree, None)) == {}


def test_a_patch_is_applied_to_the_copy_and_taken_back(tree: Path, tmp_path: Path) -> None:
    patch = tmp_path / "p.patch"
    patch.write_text(PATCH)
    plain = DirectorySource(tree, None)
    plain.bring()
    patched = DirectorySource(tree, patch)
    assert patched.content != plain.content
    assert set(brought(patched)) == {"mm/memory.c", "mm/new.c"}
    assert (patched.src / "mm/memory.c").read_text() == "one\nthree\n"
    assert (tree / "mm/memory.c").read_text() == "one\ntwo\n"
    assert set(brought(plain)) == {"mm/memory.c"}, "a restored file must be new to make"
    assert (plain.src / "mm/memory.c").read_text() == "one\ntwo\n"
    assert not (plain.src / "mm/new.c").exists()


def test_a_patch_that_does_not_apply_leaves_the_copy_as_it_was(tree: Path,
                                                               tmp_path: Path) -> None:
    patch = tmp_path / "p.patch"
    patch.write_text(PATCH.replace("-two", "-four"))
    with pytest.raises(UsageError, match="p.patch"):
        DirectorySource(tree, patch).bring()
    plain = DirectorySource(tree, None)
    plain.bring()
    assert (plain.src / "mm/memory.c").read_text() == "one\ntwo\n"
    assert not (plain.src / "mm/new.c").exists()


def test_a_commit_is_checked_out_without_touching_the_repository(tree: Path) -> None:
    git(tree, "init", "-q")
    old = commit(tree, "first")
    (tree / "mm/memory.c").write_text("one\n")
    new = commit(tree, "second")
    (tree / "mm/memory.c").write_text("not committed\n")
    source = GitSource(tree, old, None)
    source.bring()
    assert (source.src / "mm/memory.c").read_text() == "one\ntwo\n"
    later = GitSource(tree, new, None)
    assert later.slot == source.slot
    assert later.content != source.content
    assert set(brought(later)) == {"mm/memory.c"}
    assert git(tree, "rev-parse", "HEAD") == new
    assert git(tree, "worktree", "list").count("\n") == 0
    with pytest.raises(UsageError, match="rev-parse"):
        GitSource(tree, "no-such-revision", None)


def test_a_revision_of_what_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no git repository; without '@v1' it is built as it"):
        GitSource(tmp_path, "v1", None)


def test_a_repository_made_anew_at_the_same_place_is_cloned_anew(tree: Path) -> None:
    git(tree, "init", "-q")
    GitSource(tree, commit(tree, "first"), None).bring()
    shutil.rmtree(tree / ".git")
    (tree / "mm/memory.c").write_text("one\n")
    (tree / "mm/rmap.c").rename(tree / "mm/reverse.c")
    (tree / "link").unlink()
    git(tree, "init", "-q")
    source = GitSource(tree, commit(tree, "another first"), None)
    assert set(brought(source)) == {"mm/memory.c", "mm/reverse.c"}, "the others are as they were"
    assert (source.src / "mm/memory.c").read_text() == "one\n"
    assert not (source.src / "mm/rmap.c").exists()


def test_what_git_ignores_is_no_source(tree: Path) -> None:
    git(tree, "init", "-q")
    (tree / ".gitignore").write_text("*.o\n.config\n")
    commit(tree, "first")
    before = DirectorySource(tree, None).content
    (tree / "mm/memory.o").write_text("object\n")
    (tree / ".config").write_text("")
    assert DirectorySource(tree, None).content == before


def test_rules_that_ignore_the_sources_are_not_followed(tree: Path) -> None:
    plain = DirectorySource(tree, None).content
    git(tree, "init", "-q")
    assert DirectorySource(tree, None).content == plain, "git's own files are no sources"
    (tree / ".gitignore").write_text("/*\n!/debian/\n")
    source = DirectorySource(tree, None)
    assert set(brought(source)) == {".gitignore", "Makefile", "mm/memory.c", "mm/rmap.c"}
    (tree / ".config").write_text("")
    with pytest.raises(UsageError, match="mrproper"):
        DirectorySource(tree, None)


def test_a_tree_that_was_built_in_is_refused(tree: Path) -> None:
    (tree / ".config").write_text("")
    with pytest.raises(UsageError, match="mrproper"):
        DirectorySource(tree, None)


def test_no_option_is_dropped_silently(tree: Path) -> None:
    (tree / "mm/Kconfig").write_text("config KSM\n\tbool\nmenuconfig SWAP\n\tbool\n")
    wanted = {"KSM": "y", "SWAP": "y", "NEVER_HEARD_OF": "y", "ALSO_NOT": "n"}
    got = kconfig.parse("CONFIG_KSM=y\n# CONFIG_SWAP is not set\n")
    assert kconfig.unmet(wanted, got, tree) == (
        "options that this kernel does not have: NEVER_HEARD_OF",
        "options that this kernel did not grant: SWAP (n instead of y)")
    assert kconfig.unmet({"KSM": "y"}, got, tree) == ()


@pytest.mark.parametrize("scenario", kconfig.scenarios())
@pytest.mark.parametrize("arch", config.arch_names())
def test_a_scenario_overrides_and_keeps_what_mmrace_needs(arch: str, scenario: str) -> None:
    wanted = kconfig.requested(arch, scenario)
    assert wanted["KPROBES"] == "y" and wanted["MODULES"] == "y"
    assert kconfig.parse(kconfig.as_text(wanted)) == wanted


def test_a_kernel_that_is_there_does_not_wait_for_the_build_of_another(
        tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = BuildRoot(tree.parent / "root", "", ())
    monkeypatch.setattr(buildroot, "for_source", lambda *_: root)
    arch, source = config.arch("x86_64"), DirectorySource(tree, None)
    options = kconfig.as_text(kconfig.requested(arch.name, "slim"))
    key = trees._key(source, arch, options, root)
    home = paths.cache_dir() / "kernels/tree" / arch.name / key
    home.mkdir(parents=True)
    kernel = Kernel(id="", arch=arch.name, release="6.12.3", version="", upstream="", packages=(),
                    home="")
    (home / "kernel.json").write_text(json.dumps(asdict(kernel)))
    got: list[Kernel] = []
    with locked(source.slot / "lock"):
        other = threading.Thread(
            target=lambda: got.append(trees.resolve("tree:x", source, arch, "slim")))
        other.start()
        other.join(10.0)
        assert [kernel.release for kernel in got] == ["6.12.3"]
    other.join()


def test_a_tree_that_does_not_build_is_skipped_as_bisection_wants(
        tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*_: object) -> Kernel:
        raise TreeBuildError("build failed: mm/memory.c:1: error: planted")
    monkeypatch.setattr(trees, "resolve", fails)
    monkeypatch.setenv("MMRACE_RUNS", str(tree.parent / "runs"))
    assert cli.main(["run", "--kernel", f"tree:{tree}", "--race", "lost-write", "--json"]) == 125
    record = json.loads(capsys.readouterr().out)
    assert record["verdict"] == "SKIP" and "planted" in record["reason"]

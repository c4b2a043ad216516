# SPDX-License-Identifier: GPL-2.0
"""The HTML page: self-contained, and alive in a real browser with 10,000 cells."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmrace.report import html, results_json, runs
from mmrace.report.cells import Cell
from mmrace.report.evidence import collect
from mmrace.report.verdicts import LOOKS

from .report_sample import many, record, write_run

DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium")
needs_browser = pytest.mark.skipif(not (DRIVER and BROWSER),
                                   reason="needs the packages chromium and chromium-driver")


def data(page: str, name: str = "data") -> Any:
    """The JSON that PAGE embeds under NAME."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)
    assert found
    return json.loads(found.group(1))


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = html.write(write_run(tmp_path / "run", many(50))).read_text()
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page)
    assert not re.search(r"\burl\(|@import|\bfetch\(|XMLHttpRequest|WebSocket", page)
    assert "default-src 'none'" in page


def test_hostile_strings_stay_strings(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>\u2028<!--"
    home = write_run(tmp_path / "run", [record(reason=hostile, race=hostile, cell="x")])
    page = html.write(home).read_text()
    assert "alert(1)</script>" not in page
    assert data(page)["cells"][0]["race"] == hostile


def test_a_cell_brings_its_evidence(tmp_path: Path) -> None:
    home = write_run(tmp_path / "run", [record(verdict="SPLAT")])
    (cell,) = data(html.write(home).read_text())["cells"]
    titles = [title for title, _ in cell["excerpts"]]
    assert titles == ["race.ndjson, the first failing rounds",
                      "kmsg.log:1 BUG: kernel NULL pointer dereference in unmap_page_range"]
    assert cell["times"][0] == 0.156 and cell["histograms"]["tlb.flush"][0][0] == 256


@pytest.mark.parametrize("verdict, name", [("PANIC", "console.log"), ("SPLAT", "kmsg.log")])
def test_a_lost_machine_is_quoted_from_its_console(tmp_path: Path, verdict: str,
                                                   name: str) -> None:
    (tmp_path / "kmsg.log").write_text("WARNING: CPU: 0 PID: 8 at mm/memory.c:7 zap+0x1/0x2\n")
    (tmp_path / "console.log").write_text("Kernel panic - not syncing: provoked\n")
    (excerpt,) = collect(tmp_path, Cell(record(verdict=verdict))).excerpts
    assert excerpt.title.startswith(f"{name}:1 ")


def test_only_pass_is_green() -> None:
    style = (Path(html.__file__).parent / "page" / "page.css").read_text()
    for word in LOOKS:
        for colour in re.findall(rf"--{word}: #(\w{{6}})", style):
            red, green, blue = (int(colour[at:at + 2], 16) for at in (0, 2, 4))
            assert (green > red and green > blue) == (word == "PASS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; its console is read after every test."""
    webdriver = pytest.importorskip("selenium.webdriver")
    service = pytest.importorskip("selenium.webdriver.chrome.service")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--window-size=1500,1200", "--hide-scrollbars"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=service.Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with 10,000 cells, compared with another."""
    base = tmp_path_factory.mktemp("runs")
    before = write_run(base / "before", many(10_000, seed=2))
    return html.write(write_run(base / "after", many(10_000, seed=3)), before)


def settled(browser: Any, script: str) -> Any:
    """What SCRIPT returns once it is true; the page draws what comes into view a moment later."""
    for _ in range(100):
        found = browser.execute_script(script)
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"never true: {script}")


@needs_browser
def test_ten_thousand_cells_in_a_browser(browser: Any, large: Path, tmp_path: Path) -> None:
    browser.get(f"file://{large}")
    settled(browser, "return document.querySelectorAll('#map button').length > 50")
    assert "10,000 cells" in browser.execute_script("return $('count').textContent")
    assert 5 < settled(browser, "return document.querySelectorAll('.row').length") < 60
    for section in ("ttf", "exposure", "counters", "compare"):
        browser.execute_script(f"$('{section}').scrollIntoView()")
        settled(browser, f"return $('{section}').children.length > 0")
    assert settled(browser, "return document.querySelectorAll('#ttf .curve').length") > 3
    assert "worse" in browser.execute_script("return $('compare').textContent")
    browser.execute_script("scrollTo(0, 0)")
    shot = tmp_path / "page.png"
    browser.save_screenshot(str(shot))
    assert shot.stat().st_size > 50_000
    assert browser.get_log("browser") == []


@needs_browser
def test_filter_keys_and_detail(browser: Any, large: Path) -> None:
    browser.get(f"file://{large}")
    keys = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
    browser.execute_script("setFilter('verdict:RACE arch:ppc64le -mode:widened')")
    assert browser.execute_script(
        "return shown.length > 0 && shown.every((c) => c.verdict === 'RACE' "
        "&& c.arch === 'ppc64le' && c.mode === 'natural')")
    browser.execute_script(keys % "j")
    assert browser.execute_script("return !$('detail').hidden")
    assert browser.execute_script("return location.hash").startswith("#cell=")
    assert "./mmrace run --kernel" in browser.execute_script("return $('detail').textContent")
    first = browser.execute_script("return location.hash")
    browser.execute_script(keys % "j")
    assert browser.execute_script("return location.hash") != first
    browser.execute_script(keys % "Escape")
    assert browser.execute_script("return $('detail').hidden")
    browser.execute_script(keys % "Escape")
    assert browser.execute_script("return shown.length") == 10_000
    dark = "return document.documentElement.classList.contains('dark')"
    was = browser.execute_script(dark)
    browser.execute_script(keys % "t")
    assert browser.execute_script(dark) != was
    browser.execute_script("setFilter('no such cell')")
    settled(browser, "return $('map').textContent === 'No cell matches the filter.'")
    assert browser.get_log("browser") == []


@needs_browser
def test_a_cell_shows_its_trend(browser: Any, tmp_path: Path) -> None:
    for number, failures in enumerate((0, 30, 12)):
        home = write_run(tmp_path / str(number), [record(cell="x", rounds=100, failures=failures)])
    browser.get(f"file://{html.write(home)}#cell=x")
    trend = settled(browser, "return document.querySelector('#detail svg[aria-label^=trend]')")
    heights = [float(dot.get_attribute("cy")) for dot in trend.find_elements("tag name", "circle")]
    assert len(heights) == 3 and heights[0] > heights[2] > heights[1]
    assert browser.get_log("browser") == []


@needs_browser
def test_columns_of_nothing_but_skip_are_folded(browser: Any, tmp_path: Path) -> None:
    page = html.write(write_run(tmp_path / "a", [
        record(cell="x"), record(cell="y", arch="s390x", verdict="SKIP", reason="no EDAT")]))
    browser.get(f"file://{page}")
    columns = "return document.querySelectorAll('#map th[scope=col]').length"
    assert settled(browser, columns) == 1
    table = browser.execute_script("return $('map').querySelector('table').textContent")
    assert "s390x" not in table
    assert "s390x qemu/tcg: no EDAT" in browser.execute_script("return $('map').textContent")
    browser.execute_script("document.querySelector('#map p button').click()")
    assert browser.execute_script(columns) == 2
    assert browser.get_log("browser") == []


@needs_browser
def test_another_runs_results_can_be_loaded(browser: Any, tmp_path: Path) -> None:
    page = html.write(write_run(tmp_path / "a", [record(cell="x"), record(cell="y")]))
    other = write_run(tmp_path / "b", [record(cell="x", verdict="PASS"), record(cell="y")])
    document = results_json.document(runs.load(other))
    browser.get(f"file://{page}")
    browser.execute_script("adopt(arguments[0])", document)
    assert "b → a: 1 worse" in browser.execute_script("return $('compare').textContent")
    assert browser.get_log("browser") == []

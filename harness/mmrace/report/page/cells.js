// SPDX-License-Identifier: GPL-2.0
// The heat map, the list of cells (only what is in view exists), and one cell's own pane.
"use strict";

function tile(cells, mode, open, narrow) {
  if (!cells.length) return el("span", { class: "tile none", "aria-hidden": "true" });
  const cell = worst(cells);
  const news = cells.some(isNews);
  const label = `${cell.race} ${mode}, ${place(cell)}: ${cell.verdict}`
    + (cells.length > 1 ? `, worst of ${cells.length}` : "") + (news ? ", not as expected" : "");
  const node = el("button", { class: `tile ${cell.verdict}${news ? " unexpected" : ""}`,
    style: `background:${colour(cell.verdict)}`, "aria-label": label, tabindex: -1,
    onclick: () => cells.length > 1 ? narrow(cell) : open(cell) },
  GLYPH[cell.verdict] ?? "!", cells.length > 1 ? el("sup", {}, String(cells.length)) : null);
  return tip(node, `${label}\n${cell.reason ?? ""}`);
}

// A kernel's id without the directories of a tree or a patch.
const briefly = (kernel) => kernel.replace(/([:,])[^,@+]*\//g, "$1…/");

let barren = false;   // whether columns without anything but SKIP are shown

function drawMap(cells, open, narrow) {
  if (!cells.length) return hollow($("map"), "No cell matches the filter.");
  const modes = MODES.filter((mode) => cells.some((cell) => cell.mode === mode));
  for (const cell of cells) if (!modes.includes(cell.mode)) modes.push(cell.mode);
  const version = new Map(cells.map((cell) => [cell.kernel, cell.version ?? ""]));
  const age = (kernel) => version.get(kernel).replace(/\d+/g, (digits) => digits.padStart(6, "0"));
  const grown = grouped(cells, (cell) => `${cell.kernel}\n${cell.arch}\n${cell.machine}`);
  const skipped = [...grown].filter(([, own]) => own.every((cell) => cell.verdict === "SKIP"));
  const columns = [...grown.keys()].filter((key) => barren || skipped.length === grown.size
    || !skipped.some(([one]) => one === key)).map((key) => key.split("\n"))
    .sort((one, other) => age(one[0]).localeCompare(age(other[0])) || (one.join() < other.join() ? -1 : 1));
  const spans = grouped(columns, ([kernel]) => kernel);
  const head = el("thead", {},
    el("tr", {}, el("th"), ...[...spans].map(([kernel, under]) =>
      el("th", { colspan: under.length, scope: "colgroup", title: kernel }, briefly(kernel), el("small", {}, version.get(kernel))))),
    el("tr", {}, el("th", {}, modes.join(" · ")), ...columns.map(([, arch, machine]) =>
      el("th", { scope: "col" }, arch, el("small", {}, machine)))));
  const body = el("tbody");
  for (const [theme, members] of grouped(cells, (cell) => cell.theme)) {
    const races = grouped(members, (cell) => cell.race);
    const alone = races.size === 1 && races.has(theme);
    if (!alone) {
      body.append(el("tr", {}, el("th", { class: "theme", colspan: columns.length + 1 }, theme)));
    }
    for (const [race, own] of races) {
      const places = grouped(own, (cell) => `${cell.kernel}\n${cell.arch}\n${cell.machine}`);
      body.append(el("tr", {}, el("th", { scope: "row", class: alone ? "theme" : null }, race),
        ...columns.map((column) => {
          const here = places.get(column.join("\n")) || [];
          return el("td", {}, el("div", { class: "tiles" }, ...modes.map((mode) =>
            tile(here.filter((cell) => cell.mode === mode), mode, open, narrow))));
        })));
    }
  }
  $("map").replaceChildren(el("table", {}, head, body));
  if (skipped.length && skipped.length < grown.size) {
    const toggle = () => { barren = !barren; drawMap(cells, open, narrow); };
    $("map").append(el("p", { class: "hint", style: "margin:12px 0 0;max-width:none" }, el("button", { onclick: toggle },
      `${barren ? "Hide" : "Show"} ${skipped.length} without anything but SKIP`), " ",
    barren ? null : skipped.map(([key, own]) => `${key.replaceAll("\n", " ")}: ${own[0].reason}`)
      .join("; ")));
  }
  const first = $("map").querySelector("button.tile");
  if (first) first.tabIndex = 0;
}

// Arrow keys move between the tiles of the map; one tile is in the tab order at a time.
function roam(event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step || !event.target.matches("#map button.tile")) return;
  event.preventDefault();
  const from = event.target.getBoundingClientRect();
  let best = null, distance = Infinity;
  for (const node of $("map").querySelectorAll("button.tile")) {
    const box = node.getBoundingClientRect();
    const dx = box.left - from.left, dy = box.top - from.top;
    const along = dx * step[0] + dy * step[1], across = Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
    if (along > 4 && along + across * 4 < distance) [best, distance] = [node, along + across * 4];
  }
  if (!best) return;
  event.target.tabIndex = -1;
  best.tabIndex = 0;
  best.focus();
}

const COLUMNS = [["verdict", "verdict"], ["race", "race"], ["mode", "mode"], ["kernel", "kernel"],
  ["arch", "arch"], ["machine", "machine"], ["expected", "expected"], ["first", "first failure"],
  ["rounds", "rounds"], ["exposure", "exposure"], ["reason", "reason"]];
const NUMERIC = new Set(["first", "rounds", "exposure"]);
const ROW = 30;

function compareBy(key, down) {
  const value = (cell) => key === "verdict" ? rank(cell.verdict)
    : NUMERIC.has(key) ? cell[key] ?? Infinity : String(cell[key] ?? "");
  return (one, other) => {
    const a = value(one), b = value(other);
    return (a < b ? -1 : a > b ? 1 : one.index - other.index) * (down ? -1 : 1);
  };
}

// A list of any length: a spacer as tall as all rows, and the rows that are in view.
class List {
  constructor(target, open) {
    this.open = open;
    this.cells = [];
    this.sort = ["verdict", false];
    this.at = 0;
    this.head = el("div", { class: "rowhead", role: "row" });
    this.space = el("div", { class: "rows", style: "position:relative" });
    this.port = el("div", { class: "port", tabindex: 0, role: "grid", "aria-label": "cells",
      onscroll: () => this.draw(), onkeydown: (event) => this.key(event) }, this.space);
    target.append(this.head, this.port);
    addEventListener("resize", () => this.draw());
  }

  show(cells) {
    this.cells = [...cells].sort(compareBy(...this.sort));
    this.at = 0;
    this.port.scrollTop = 0;
    this.port.setAttribute("aria-rowcount", this.cells.length);
    this.port.style.height = `${Math.min(540, Math.max(1, this.cells.length) * ROW + 2)}px`;
    this.space.style.height = `${this.cells.length * ROW}px`;
    const focused = [...this.head.children].indexOf(document.activeElement);
    this.head.replaceChildren(...COLUMNS.map(([key, label]) => el("button", {
      class: NUMERIC.has(key) ? "n" : null,
      "aria-sort": this.sort[0] === key ? this.sort[1] ? "descending" : "ascending" : null,
      onclick: () => {
        this.sort = [key, this.sort[0] === key && !this.sort[1]];
        this.show(this.cells);
      } }, label)));
    if (focused >= 0) this.head.children[focused].focus();
    this.draw();
  }

  draw() {
    const from = Math.max(0, Math.floor(this.port.scrollTop / ROW) - 6);
    const rows = this.cells.slice(from, from + Math.ceil(this.port.clientHeight / ROW) + 12);
    this.space.replaceChildren(...rows.map((cell, offset) => this.row(cell, from + offset)));
  }

  row(cell, index) {
    const expected = cell.expected === undefined ? "–" : cell.expected ? "yes" : "NEWS";
    return el("div", { class: `row${index === this.at ? " on" : ""}`, role: "row",
      style: `top:${index * ROW}px`, onclick: () => { this.at = index; this.open(cell); } },
    el("span", { class: "badge" }, el("i", { class: "dot", style: `background:${colour(cell.verdict)}` }),
      cell.verdict),
    ...["race", "mode", "kernel", "arch", "machine"].map((key) =>
      el("span", { title: cell[key] }, cell[key])),
    el("span", { class: isNews(cell) ? "unexpected-text" : null }, expected),
    el("span", { class: "n" }, seconds(cell.first)), el("span", { class: "n" }, number(cell.rounds)),
    el("span", { class: "n" }, number(cell.exposure)),
    el("span", { title: cell.reason }, cell.reason ?? ""));
  }

  move(step) {
    this.at = Math.max(0, Math.min(this.cells.length - 1, this.at + step));
    const top = this.at * ROW;
    if (top < this.port.scrollTop) this.port.scrollTop = top;
    if (top + ROW > this.port.scrollTop + this.port.clientHeight) {
      this.port.scrollTop = top + ROW - this.port.clientHeight;
    }
    this.draw();
    return this.cells[this.at];
  }

  key(event) {
    const page = Math.floor(this.port.clientHeight / ROW) - 1;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
    if (step) this.move(step);
    else if (event.key === "Enter" && this.cells[this.at]) this.open(this.cells[this.at]);
    else return;
    event.preventDefault();
  }
}

// A log's line with its headline marked.
function logLines(lines) {
  const loud = /(Kernel panic|BUG|Oops|WARNING|INFO: (task|rcu)|\[#\d+\]|Unable to handle|corruption|RIP:|NIP \[|Krnl PSW)/;
  return lines.flatMap((line) => [loud.test(line) ? el("mark", {}, line) : line, "\n"]);
}

function histogram(rows) {
  const top = Math.max(...rows.map((row) => row[2]));
  const step = Math.min(34, 640 / rows.length);
  const svg = el("svg", { viewBox: "0 0 680 130", role: "img", "aria-label": "histogram" });
  rows.forEach(([lo, hi, count], index) => {
    const height = Math.max(1.5, count / top * 92);
    svg.append(tip(el("rect", { class: "hit", x: 8 + index * step, y: 100 - height, rx: 2,
      width: step - 2, height, fill: "var(--accent)" }),
    `${nanoseconds(lo)} to ${nanoseconds(hi)}: ${number(count)}`));
    if (index % Math.ceil(rows.length / 9) === 0) {
      svg.append(el("text", { x: 8 + index * step, y: 116 }, nanoseconds(lo)));
    }
  });
  return el("div", { class: "plot" }, svg);
}

function failureTimes(cell) {
  const end = Math.max(cell.elapsed ?? 0, ...cell.times);
  const svg = el("svg", { viewBox: "0 0 680 46", role: "img", "aria-label": "when it failed" },
    el("line", { class: "axis", x1: 8, x2: 672, y1: 24, y2: 24 }),
    el("text", { x: 8, y: 43 }, "0"), el("text", { x: 672, y: 43, "text-anchor": "end" }, seconds(end)));
  for (const at of cell.times) {
    svg.append(tip(el("rect", { x: 8 + at / end * 664 - 1.5, y: 10, width: 3, height: 28, rx: 1,
      fill: "var(--RACE)", "fill-opacity": .7 }), `failed at ${seconds(at)}`));
  }
  return el("div", { class: "plot" }, svg);
}

// The cell in this run and those before it: a dot a run, as high as its failures a round.
function trend(points) {
  const rate = ([, , rounds, failures]) => rounds ? (failures ?? 0) / rounds : 0;
  const top = Math.max(...points.map(rate)) || 1;
  const step = Math.min(40, 600 / points.length);
  const y = (value) => 78 - value / top * 66;
  const svg = el("svg", { viewBox: "0 0 680 104", role: "img", "aria-label": "trend over runs" },
    el("line", { class: "axis", x1: 56, x2: 672, y1: 78, y2: 78 }),
    el("text", { x: 50, y: 82, "text-anchor": "end" }, "0"),
    el("text", { x: 50, y: 16, "text-anchor": "end" }, `${+top.toPrecision(3)}`));
  points.forEach((point, index) => {
    const [run, verdict, rounds, failures, first] = point;
    svg.append(tip(el("circle", { class: "hit", cx: 70 + index * step, cy: y(rate(point)), r: 5,
      fill: colour(verdict) }), `${run}: ${verdict}\n${number(failures ?? 0)} failures in `
      + `${number(rounds ?? 0)} rounds${first === null ? "" : `, first after ${seconds(first)}`}`));
  });
  svg.append(el("text", { x: 64, y: 98 }, points[0][0]));
  return el("div", { class: "plot" }, svg);
}

function pane(cell, close) {
  const facts = [["race", cell.race], ["theme", cell.theme], ["mode", cell.mode], ["arch", cell.arch],
    ["kernel", cell.kernel], ["version", cell.version], ["machine", cell.machine], ["seed", cell.seed],
    ["rounds", number(cell.rounds)], ["failures", number(cell.failures)],
    ["first failure", seconds(cell.first)], ["ran", seconds(cell.elapsed)],
    ["exposure", `${number(cell.exposure)}${cell.minimum ? `, ${number(cell.minimum)} needed` : ""}`],
    ["window", cell.counter], ["expected", cell.expected === undefined ? "unknown"
      : cell.expected ? "yes" : "no: this is news"], ["started", cell.started]];
  const meaning = VERDICTS.find(([word]) => word === cell.verdict)?.[2] ?? "not a verdict word";
  const parts = [
    el("button", { class: "close", onclick: close, title: "Esc" }, "Close"),
    el("span", { class: "badge", style: "font-size:15px" },
      el("i", { class: "dot", style: `background:${colour(cell.verdict)};width:14px;height:14px` }),
      cell.verdict),
    el("h2", {}, cell.name), el("span", { class: "hint" }, meaning),
    el("p", { class: "reason", style: `border-color:${colour(cell.verdict)}` }, cell.reason ?? "no reason recorded"),
    el("dl", {}, ...facts.filter(([, value]) => value).flatMap(([name, value]) =>
      [el("dt", {}, name), el("dd", {}, String(value))]))];
  if (cell.wanted) parts.push(el("p", { class: "hint", style: "margin-top:12px" }, `expected ${cell.wanted}`));
  if (cell.replay) {
    const copy = el("button", { onclick: async () => {
      await navigator.clipboard.writeText(cell.replay);
      copy.textContent = "Copied";
    } }, "Copy");
    parts.push(el("h3", {}, "Replay ", copy), el("pre", { class: "replay" }, cell.replay));
  }
  const past = DATA.history[cell.name];
  if (past) parts.push(el("h3", {}, `Failures a round, over ${past.length} runs`), trend(past));
  for (const title of cell.findings || []) parts.push(el("h3", {}, "Finding"), el("pre", {}, title));
  if (cell.times) parts.push(el("h3", {}, "When it failed"), failureTimes(cell));
  for (const [title, lines] of cell.excerpts || []) {
    parts.push(el("h3", {}, title), el("pre", {}, ...logLines(lines)));
  }
  if (cell.losses) parts.push(el("h3", {}, "Not seen"), el("p", {}, cell.losses));
  for (const [name, rows] of Object.entries(cell.histograms || {})) {
    parts.push(el("h3", {}, `${name}, ns`), histogram(rows));
  }
  if (cell.counters) {
    const rows = cell.counters.map(([index, value]) => ({ name: DATA.counters[index], value,
      text: number(value), colour: "var(--accent)" })).sort((a, b) => b.value - a.value);
    parts.push(el("h3", {}, "Counters, logarithmic"),
      el("div", { class: "plot" }, bars(rows.slice(0, 40), "counters", null, true, 680, 230)));
  }
  if (cell.limits) {
    parts.push(el("h3", {}, "This machine cannot show"),
      el("ul", {}, ...cell.limits.map((index) => el("li", {}, DATA.limits[index]))));
  }
  return parts;
}

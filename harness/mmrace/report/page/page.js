// SPDX-License-Identifier: GPL-2.0
// Ties the parts together: filter, keys, comparison, address.
"use strict";

let shown = DATA.cells;
let list = null;
let before = embedded("before");
let current = null;

function openCell(cell) {
  current = cell;
  const detail = $("detail");
  detail.replaceChildren(...pane(cell, closeCell));
  detail.hidden = false;
  detail.scrollTop = 0;
  detail.focus();
  history.replaceState(null, "", `#cell=${encodeURIComponent(cell.name)}`);
}

function closeCell() {
  if ($("detail").hidden) return false;
  $("detail").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
  list.port.focus({ preventScroll: true });
  current = null;
  return true;
}

function setFilter(query) {
  $("filter").value = query;
  apply();
}

function narrow(cell) {
  setFilter(`race:${cell.race} kernel:${cell.kernel} arch:${cell.arch} mode:${cell.mode}`);
  $("cells").scrollIntoView({ block: "center" });
}

function toggle(term) {
  const terms = $("filter").value.split(/\s+/).filter(Boolean);
  const without = terms.filter((other) => other !== term);
  setFilter((without.length < terms.length ? without : [...terms, term]).join(" "));
}

function drawSummary() {
  const counts = [...grouped(DATA.cells, (cell) => cell.verdict)]
    .sort(([one], [other]) => rank(one) - rank(other));
  const active = $("filter").value.split(/\s+/);
  const chip = (term, label, many, hue, extra = "") => el("button", { class: `chip ${extra}`,
    "aria-pressed": String(active.includes(term)), onclick: () => toggle(term) },
  el("i", { class: "dot", style: `background:${hue}` }), label, el("b", {}, number(many)));
  const chips = counts.map(([verdict, cells]) =>
    chip(`verdict:${verdict}`, verdict, cells.length, colour(verdict)));
  const news = DATA.cells.filter(isNews).length;
  if (news) chips.push(chip("news", "not as expected", news, "var(--ERROR)", "news"));
  $("summary").replaceChildren(
    el("div", { class: "bar", "aria-hidden": "true" }, ...counts.map(([verdict, cells]) =>
      el("i", { style: `flex:${cells.length};background:${colour(verdict)}` }))),
    el("div", { class: "chips" }, ...chips));
}

// Only the sections that are in view are drawn; the others when they come into view.
const pending = new Map();
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) flush(entry.target.id);
}, { rootMargin: "300px" });

function flush(id) {
  const draw = pending.get(id);
  pending.delete(id);
  if (draw) draw();
}

function later(id, draw) {
  pending.set(id, draw);
  watcher.unobserve($(id));
  watcher.observe($(id));
}

function apply() {
  shown = DATA.cells.filter(predicate($("filter").value));
  $("count").textContent = shown.length === DATA.cells.length ? `${number(shown.length)} cells`
    : `${number(shown.length)} of ${number(DATA.cells.length)}`;
  drawSummary();
  later("map", () => drawMap(shown, openCell, narrow));
  later("ttf", () => drawFailures(shown, openCell));
  later("exposure", () => drawExposure(shown, openCell));
  later("counters", () => drawCounters(shown, openCell));
  later("compare", drawComparison);
  list.show(shown);
}

function changes() {
  const old = new Map(before.cells.map((cell) => [cell.name, cell]));
  const found = [];
  for (const cell of shown) {
    const was = old.get(cell.name);
    if (!was) found.push({ kind: "new", cell });
    else if (was.machine !== cell.machine) found.push({ kind: "unlike platforms", cell, was });
    else if (was.verdict !== cell.verdict) {
      const failed = [was, cell].map((side) => FAMILY.get(side.verdict) === "fail");
      found.push({ kind: failed[0] === failed[1] ? "changed" : failed[1] ? "worse" : "better", cell, was });
    }
  }
  const here = new Set(DATA.cells.map((cell) => cell.name));
  for (const was of before.cells) if (!here.has(was.name)) found.push({ kind: "gone", was });
  const order = ["worse", "changed", "better", "new", "gone", "unlike platforms"];
  return found.sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind));
}

const CHANGES = 200;

function drawComparison() {
  const target = $("compare");
  if (!before) return hollow(target, "No other run is loaded.");
  const found = changes();
  const badge = (cell) => cell ? el("span", { class: "badge" },
    el("i", { class: "dot", style: `background:${colour(cell.verdict)}` }), cell.verdict) : "–";
  const rows = found.slice(0, CHANGES).map(({ kind, cell, was }) => el("tr", {},
    el("td", {}, kind), el("td", {}, cell ? el("button", { onclick: () => openCell(cell) }, cell.name) : was.name),
    el("td", {}, badge(was)), el("td", {}, badge(cell)),
    el("td", {}, `${seconds(was?.first)} → ${seconds(cell?.first)}`)));
  target.replaceChildren(
    el("p", { class: "hint", style: "margin:0 0 8px" }, `${before.run} → ${DATA.run}: `
      + ([...grouped(found, (change) => change.kind)].map(([kind, all]) => `${all.length} ${kind}`).join(", ")
        || "every verdict is the same")),
    found.length ? el("table", { class: "changes" },
      el("tr", {}, ...["", "cell", "before", "now", "first failure"].map((text) => el("th", {}, text))),
      ...rows) : "");
}

function adopt(document) {
  before = { run: document.run, cells: document.cells.map((record) => {
    const { kind, accel, variant, host } = record.machine || {};
    const words = [kind ?? "?", (accel || "unknown").split(",")[0],
      ...[variant, host].filter((word) => word && word !== "default")];
    return { name: record.cell, verdict: record.verdict, machine: words.join("/"),
      first: record.time_to_first_failure_s ?? undefined };
  }) };
  drawComparison();
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (!closeCell() && $("filter").value) setFilter("");
    return;
  }
  if (event.target.matches("input, select")) return;
  const act = {
    "/": () => $("filter").focus(),
    t: flip,
    "?": () => $("keys").showModal(),
    j: () => openCell(list.move(current ? 1 : 0)),
    k: () => openCell(list.move(current ? -1 : 0)),
  }[event.key];
  if (!act || !shown.length) return;
  event.preventDefault();
  act();
}

function dress(dark) {
  document.documentElement.classList.toggle("dark", dark);
}

function flip() {
  dress(!document.documentElement.classList.contains("dark"));
}

function start() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  dress(system.matches);
  system.addEventListener("change", () => dress(system.matches));
  $("run").textContent = DATA.run;
  $("meta").textContent = [DATA.started, DATA.host, DATA.command].filter(Boolean).join("  ·  ");
  $("legend").append(...VERDICTS.map(([word, , meaning]) => el("span", { title: meaning },
    el("i", { class: `tile ${word}`, style: `background:${colour(word)}` }, GLYPH[word]), `${word}: ${meaning}`)));
  const said = [...DATA.notes, ...DATA.damaged.map((name) => `${name} could not be read whole`)];
  $("notes").append(...said.map((note) => el("li", {}, note)));
  $("limits").hidden = !said.length;
  $("counter").append(...DATA.counters.map((name, index) => [name, index]).sort()
    .map(([name, index]) => el("option", { value: index }, name)));
  $("h-counters").parentElement.hidden = !DATA.counters.length;
  list = new List($("cells"), openCell);
  $("filter").addEventListener("input", apply);
  $("counter").addEventListener("change", () => drawCounters(shown, openCell));
  $("theme").addEventListener("click", flip);
  $("help").addEventListener("click", () => $("keys").showModal());
  $("other").addEventListener("change", async (event) => {
    try {
      adopt(JSON.parse(await event.target.files[0].text()));
    } catch (error) {
      hollow($("compare"), `This is no results.json of mmrace: ${error.message}`);
    }
  });
  $("map").addEventListener("keydown", roam);
  document.addEventListener("keydown", keys);
  apply();
  const wanted = decodeURIComponent(location.hash).match(/^#cell=(.*)$/);
  const cell = wanted && DATA.cells.find((one) => one.name === wanted[1]);
  if (cell) openCell(cell);
}

start();

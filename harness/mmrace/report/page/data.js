// SPDX-License-Identifier: GPL-2.0
// The run as embedded, the filter, and small helpers. No state but the parsed data.
"use strict";

const $ = (id) => document.getElementById(id);
const embedded = (id) => JSON.parse($(id).textContent);
const DATA = embedded("data");
const VERDICTS = embedded("verdicts");
const ORDER = new Map(VERDICTS.map(([word], index) => [word, index]));
const FAMILY = new Map(VERDICTS.map(([word, family]) => [word, family]));
const GLYPH = Object.fromEntries(VERDICTS.map(([word, , , glyph]) => [word, glyph]));
const MODES = ["natural", "widened", "control"];
const KEYS = ["race", "theme", "kernel", "arch", "machine", "mode", "verdict", "name"];

const rank = (verdict) => ORDER.get(verdict) ?? 0;
const colour = (verdict) => ORDER.has(verdict) ? `var(--${verdict})` : "var(--ERROR)";
const isNews = (cell) => cell.expected === false;
const place = (cell) => `${cell.kernel} ${cell.arch} ${cell.machine}`;

DATA.cells.forEach((cell, index) => {
  cell.index = index;
  cell.text = [...KEYS.map((key) => cell[key]), cell.version, cell.reason, ...(cell.splats || [])]
    .join("\n").toLowerCase();
});

// An element with attributes (on* are listeners) and children; text is never parsed as HTML.
function el(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "circle", "rect", "text"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") node.style.cssText = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const number = (value) => value === undefined ? "–" : value.toLocaleString("en");

function seconds(value) {
  if (value === undefined || value === null) return "–";
  if (value < 1) return `${+(value * 1000).toPrecision(3)} ms`;
  return `${value < 1000 ? +value.toPrecision(3) : Math.round(value)} s`;
}

function nanoseconds(value) {
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (value >= size) return `${+(value / size).toPrecision(3)} ${unit}`;
  }
  return `${value} ns`;
}

// "race:x -verdict:SKIP news free words" as a predicate; every term must hold.
function predicate(query) {
  const terms = query.toLowerCase().split(/\s+/).filter(Boolean).map((term) => {
    const not = term.length > 1 && term.startsWith("-");
    const word = not ? term.slice(1) : term;
    const [key, ...rest] = word.split(":");
    const value = rest.join(":");
    let holds = (cell) => cell.text.includes(word);
    if (word === "news") holds = isNews;
    else if (value && KEYS.includes(key)) {
      holds = (cell) => value.split(",").some((part) =>
        String(cell[key] ?? "").toLowerCase().includes(part));
    }
    return not ? (cell) => !holds(cell) : holds;
  });
  return (cell) => terms.every((holds) => holds(cell));
}

function grouped(cells, key) {
  const groups = new Map();
  for (const cell of cells) {
    const name = key(cell);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(cell);
  }
  return groups;
}

const worst = (cells) => cells.reduce((one, other) =>
  rank(other.verdict) < rank(one.verdict) ? other : one);

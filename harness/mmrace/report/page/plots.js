// SPDX-License-Identifier: GPL-2.0
// Curves and dots as inline SVG, drawn by hand: no library, no network.
"use strict";

const HUES = ["#3b82f6", "#e8590c", "#b5359c", "#0ea5a4", "#dc2f45", "#8b5cf6", "#a16207", "#64748b",
  "#be185d", "#0369a1", "#65758b", "#7c3aed"];
const CURVES = 12;
const STRIPS = 18;

function tip(node, text) {
  node.addEventListener("pointermove", (event) => {
    const box = $("tip");
    box.textContent = text;
    box.hidden = false;
    box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)}px`;
    box.style.top = `${Math.min(event.clientY + 14, innerHeight - box.offsetHeight - 8)}px`;
  });
  node.addEventListener("pointerleave", () => { $("tip").hidden = true; });
  return node;
}

const hollow = (target, text) => target.replaceChildren(el("p", { class: "empty" }, text));

// A logarithmic scale from lo to hi onto a..b, with its decades.
function logScale(lo, hi, a, b) {
  const from = Math.floor(Math.log10(lo)), to = Math.max(from + 1, Math.ceil(Math.log10(hi)));
  const at = (value) => a + (Math.log10(value) - from) / (to - from) * (b - a);
  const step = Math.ceil((to - from) / 8);
  const ticks = [];
  for (let power = from; power <= to; power += step) ticks.push(10 ** power);
  return { at, ticks };
}

// Kaplan-Meier: the share that had failed by t, with cells that ended clean leaving at their end.
function survival(cells) {
  const events = cells.map((cell) => ({ at: cell.first ?? cell.elapsed ?? 0,
    failed: cell.first !== undefined, cell })).filter((event) => event.at > 0);
  events.sort((one, other) => one.at - other.at || other.failed - one.failed);
  let alive = 1, risk = events.length;
  return events.map((event) => {
    if (event.failed) alive *= 1 - 1 / risk;
    risk -= 1;
    return { ...event, share: 1 - alive };
  });
}

function failureCurves(groups, x, width) {
  const height = 262, left = 42, bottom = 236;
  const y = (share) => bottom - share * (bottom - 12);
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": "share of cells that failed, by time" });
  for (const share of [0, .25, .5, .75, 1]) {
    svg.append(el("line", { class: "grid", x1: left, x2: width - 14, y1: y(share), y2: y(share) }),
      el("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${share * 100}%`));
  }
  for (const tick of x.ticks) {
    svg.append(el("line", { class: "grid", x1: x.at(tick), x2: x.at(tick), y1: 12, y2: bottom }),
      el("text", { x: x.at(tick), y: bottom + 18, "text-anchor": "middle" }, seconds(tick)));
  }
  const key = el("div", { class: "key" });
  groups.forEach((group, index) => {
    const hue = HUES[index % HUES.length];
    let path = `M${left},${y(0)}`, share = 0;
    for (const point of group.points) {
      path += `H${x.at(point.at).toFixed(1)}`;
      if (point.failed) path += `V${y(point.share).toFixed(1)}`;
      share = point.share;
    }
    svg.append(tip(el("path", { class: "curve", d: path, stroke: hue }), group.name));
    for (const point of group.points.filter((one) => !one.failed).slice(0, 400)) {
      svg.append(el("line", { stroke: hue, "stroke-width": 1.6, x1: x.at(point.at),
        x2: x.at(point.at), y1: y(point.share) - 4, y2: y(point.share) + 4 }));
    }
    key.append(el("span", { title: group.name }, el("i", { style: `border-color:${hue}` }),
      `${group.name}  ${Math.round(share * 100)}% of ${group.points.length}`));
  });
  return [svg, key];
}

// One row a place: when each of its cells first failed, and fainter when it failed again.
function failureStrip(groups, x, width, open) {
  const left = 348, step = 22, height = groups.length * step + 26;
  const at = (time) => left + (x.at(time) - 42) / (width - 56) * (width - 16 - left);
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": "first failures by place" });
  for (const tick of x.ticks) {
    svg.append(el("line", { class: "grid", x1: at(tick), x2: at(tick), y1: 0, y2: height - 22 }),
      el("text", { x: at(tick), y: height - 6, "text-anchor": "middle" }, seconds(tick)));
  }
  groups.forEach((group, row) => {
    const y = row * step + 11;
    const label = group.name.length > 56 ? `${group.name.slice(0, 55)}…` : group.name;
    svg.append(tip(el("text", { class: "name", x: left - 12, y: y + 4, "text-anchor": "end",
      style: "font-size:10px" }, label), group.name),
    el("line", { class: "grid", x1: left, x2: width - 16, y1: y, y2: y }));
    for (const { cell } of group.points) {
      for (const again of (cell.times || []).filter((time) => time > 0)) {
        svg.append(el("rect", { x: at(again) - 1, y: y - 5, width: 2, height: 10,
          fill: colour(cell.verdict), "fill-opacity": .35 }));
      }
    }
    for (const point of group.points) {
      const hue = colour(point.cell.verdict);
      svg.append(tip(el("circle", { class: "hit", cx: at(point.at), cy: y, r: 5, stroke: hue,
        "stroke-width": 1.6, fill: point.failed ? hue : "var(--card)", onclick: () => open(point.cell) }),
      `${point.cell.name}\n${point.failed ? "failed after" : "no failure in"} ${seconds(point.at)}`));
    }
  });
  return svg;
}

function drawFailures(cells, open) {
  const target = $("ttf");
  const groups = [...grouped(cells.filter((cell) => cell.mode !== "control"),
    (cell) => `${cell.race} ${cell.mode} · ${place(cell)}`)]
    .map(([name, members]) => ({ name, points: survival(members) }))
    .filter((group) => group.points.some((point) => point.failed))
    .sort((one, other) => one.points[0].at - other.points[0].at);
  if (!groups.length) return hollow(target, "No cell of the filter failed in its data oracle.");
  const width = 660;
  const times = groups.flatMap((group) => group.points.flatMap((point) =>
    [point.at, ...(point.cell.times || []).filter((time) => time > 0)]));
  const x = logScale(Math.min(...times), Math.max(...times), 42, width - 14);
  const failed = (group) => group.points.filter((point) => point.failed).length;
  const curves = groups.filter((group) => group.points.length > 2)
    .sort((one, other) => failed(other) - failed(one)).slice(0, CURVES);
  const nodes = curves.length ? failureCurves(curves, x, width) : [];
  nodes.push(failureStrip(groups.slice(0, STRIPS), x, width, open));
  if (groups.length > STRIPS) {
    nodes.push(el("p", { class: "hint", style: "margin:6px 0 0" },
      `the ${STRIPS} soonest of ${number(groups.length)} places; filter to see others`));
  }
  target.replaceChildren(...nodes);
}

// Dots of one row each; dots that would cover each other are one dot with a count.
function drawExposure(cells, open) {
  const target = $("exposure");
  const known = cells.filter((cell) => cell.exposure !== undefined && cell.mode !== "control"
    && cell.verdict !== "SKIP");
  if (!known.length) return hollow(target, "No cell of the filter has counted its exposure.");
  const rows = [...grouped(known, (cell) => `${cell.race} · ${cell.arch}`)].sort();
  const width = 660, left = 190, right = 34, step = 30, height = rows.length * step + 42;
  const x = logScale(1, Math.max(10, ...known.map((cell) => cell.exposure),
    ...known.map((cell) => cell.minimum ?? 1)), left, width - right);
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": "exposure of the cells" });
  for (const tick of x.ticks) {
    svg.append(el("line", { class: "grid", x1: x.at(tick), x2: x.at(tick), y1: 4, y2: height - 30 }),
      el("text", { x: x.at(tick), y: height - 14, "text-anchor": "middle" }, tick > 1 ? number(tick) : "≤ 1"));
  }
  const at = (cell) => x.at(Math.max(1, cell.exposure));
  rows.forEach(([name, members], row) => {
    const y = row * step + 20;
    svg.append(el("text", { class: "name", x: left - 12, y: y + 4, "text-anchor": "end" }, name),
      el("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y }));
    const minimum = members.find((cell) => cell.minimum > 0)?.minimum;
    if (minimum) {
      svg.append(el("line", { class: "axis", x1: x.at(minimum), x2: x.at(minimum), y1: y - 11,
        y2: y + 11, "stroke-width": 2 }));
    }
    const bins = grouped(members, (cell) =>
      `${Math.round(at(cell) / 5)} ${cell.verdict}`);
    for (const bin of [...bins.values()].sort((a, b) => rank(b[0].verdict) - rank(a[0].verdict))) {
      const cell = bin[0];
      const mark = el("circle", { class: "hit", cx: at(cell), cy: y,
        r: Math.min(10, 4.5 + Math.log2(bin.length)), fill: colour(cell.verdict),
        "fill-opacity": .85, onclick: () => open(cell) });
      svg.append(tip(mark, bin.length > 1
        ? `${bin.length} cells ${cell.verdict}, exposure about ${number(cell.exposure)}`
        : `${cell.name}\n${cell.verdict}, exposure ${number(cell.exposure)}`
          + (cell.minimum ? `, needs ${number(cell.minimum)}` : "")));
    }
  });
  target.replaceChildren(svg);
}

// Horizontal bars; rows are {name, value, text, colour, cell}. Logarithmic where asked.
function bars(rows, label, open, log = false, width = 1200, left = 430) {
  const step = 22, height = rows.length * step + 8;
  const top = Math.max(...rows.map((row) => row.value));
  const small = Math.min(...rows.map((row) => row.value).filter((value) => value > 0));
  const span = width - left - 130;
  const scale = log ? (value) => value > 0
    ? 20 + Math.log(value / small) / (Math.log(top / small) || 1) * (span - 20) : 0
    : (value) => value / (top || 1) * span;
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  rows.forEach((row, index) => {
    const y = index * step + 4, length = Math.max(1, scale(row.value));
    const bar = el("rect", { x: left, y, width: length, height: step - 7, rx: 3, fill: row.colour,
      class: open ? "hit" : null, onclick: open && (() => open(row.cell)) });
    svg.append(el("text", { class: "name", x: left - 10, y: y + 12, "text-anchor": "end" },
      row.name.length > 62 ? `…${row.name.slice(-61)}` : row.name), tip(bar, `${row.name}\n${row.text}`),
      el("text", { x: left + length + 8, y: y + 12 }, row.text));
  });
  return svg;
}

const BARS = 24;

function drawCounters(cells, open) {
  const index = +$("counter").value;
  const rows = [];
  for (const cell of cells) {
    const found = (cell.counters || []).find(([which]) => which === index);
    if (!found || !cell.elapsed) continue;
    const rate = found[1] / cell.elapsed;
    rows.push({ name: `${cell.race} ${cell.mode} · ${place(cell)}`, value: rate,
      text: `${number(+rate.toPrecision(3))} /s`, colour: colour(cell.verdict), cell });
  }
  if (!rows.length) return hollow($("counters"), "No cell of the filter has this counter.");
  rows.sort((one, other) => other.value - one.value);
  const nodes = [bars(rows.slice(0, BARS), "counter by cell", open, true)];
  if (rows.length > BARS) {
    nodes.push(el("p", { class: "hint", style: "margin:8px 0 0" },
      `logarithmic; the highest ${BARS} of ${number(rows.length)} cells; filter to see others`));
  }
  $("counters").replaceChildren(...nodes);
}

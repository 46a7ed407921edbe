// Small charts as SVG: lines, histograms, bars. Each has a title that says in words what it shows.
import { h, svg } from "./dom.js";

// On a narrow screen drawings have fewer units across, so that their text stays as large.
const WIDTH = window.innerWidth < 640 ? 340 : 640, HEIGHT = 180, LEFT = 56, BOTTOM = 24, TOP = 12, RIGHT = 10;

// lines: [{ name, tone, points: [[x, y]], area, dashed }]; marks: [{ y, label }] are thresholds.
export function lineChart({ title, lines, marks = [], x, y, xRange, yMax }) {
  const all = lines.flatMap((line) => line.points);
  if (!all.length) return h("p", { class: "quiet" }, `${title}: nothing yet.`);
  const [x0, x1] = xRange ?? [all[0][0], all.reduce((most, p) => Math.max(most, p[0]), 0)];
  const top = nice(yMax ?? Math.max(1e-9, ...all.map((p) => p[1]), ...marks.map((mark) => mark.y)));
  const px = (value) => LEFT + ((value - x0) / Math.max(1e-9, x1 - x0)) * (WIDTH - LEFT - RIGHT);
  const py = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const path = (points) => points.map((p, at) => `${at ? "L" : "M"}${px(p[0]).toFixed(1)} ${py(p[1]).toFixed(1)}`).join("");
  const drawn = lines.filter((line) => line.points.length).flatMap((line) => [
    line.area && svg("path", { class: `area ${line.tone}`, d: `${path(line.points)}L${px(line.points.at(-1)[0]).toFixed(1)} ${py(0)}L${px(line.points[0][0]).toFixed(1)} ${py(0)}Z` }),
    svg("path", { class: `line ${line.tone}${line.dashed ? " dashed" : ""}`, d: path(line.points) }),
  ]);
  const limits = marks.flatMap((mark) => [
    svg("line", { class: "limit", x1: LEFT, x2: WIDTH - RIGHT, y1: py(mark.y), y2: py(mark.y) }),
    svg("text", { class: "label end", x: WIDTH - RIGHT, y: py(mark.y) - 4 }, mark.label),
  ]);
  return figure(title, lines, svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title },
    grid(top, py, y), axis(x0, x1, px, x), drawn, limits));
}

// bars: [{ from, to, count, tone }] over equal widths.
export function histogram({ title, bins, x, y }) {
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  if (!bins.length) return h("p", { class: "quiet" }, `${title}: nothing yet.`);
  const top = nice(most), width = (WIDTH - LEFT - RIGHT) / bins.length;
  const py = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const bars = bins.map((bin, at) => svg("rect", {
    class: "bar", x: (LEFT + at * width + 0.5).toFixed(1), y: py(bin.count).toFixed(1), width: Math.max(1, width - 1).toFixed(1), height: (py(0) - py(bin.count)).toFixed(1),
  }, svg("title", {}, `${x(bin.from)} to ${x(bin.to)}: ${y(bin.count)}`)));
  const labels = [0, Math.floor(bins.length / 2), bins.length].map((at) => svg("text", {
    class: `label ${at === 0 ? "" : at === bins.length ? "end" : "middle"}`, x: LEFT + at * width, y: HEIGHT - 6,
  }, x(at === bins.length ? bins.at(-1).to : bins[at].from)));
  return figure(title, [], svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, grid(top, py, y), bars, labels));
}

export function scatter({ title, points, x, y }) {
  if (!points.length) return h("p", { class: "quiet" }, `${title}: nothing yet.`);
  const right = nice(Math.max(1e-9, ...points.map((p) => p[0]))), top = nice(Math.max(1e-9, ...points.map((p) => p[1])));
  const px = (value) => LEFT + (value / right) * (WIDTH - LEFT - RIGHT);
  const py = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const dots = points.map((p) => svg("circle", { class: `dot ${p[2] ?? ""}`, cx: px(p[0]).toFixed(1), cy: py(p[1]).toFixed(1), r: 2.2 }));
  return figure(title, [], svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, grid(top, py, y), axis(0, right, px, x), dots));
}

function figure(title, lines, drawing) {
  const keys = lines.length > 1 && h("span", { class: "legend" }, lines.map((line) => h("span", { class: `key ${line.tone}` }, line.name)));
  return h("figure", {}, h("figcaption", {}, title, keys), drawing);
}

function grid(top, py, y) {
  return [0, 0.5, 1].map((part) => [
    svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: py(part * top), y2: py(part * top) }),
    svg("text", { class: "label end", x: LEFT - 6, y: py(part * top) + 4 }, y(part * top)),
  ]);
}

function axis(x0, x1, px, x) {
  return [0, 0.5, 1].map((part) => svg("text", {
    class: `label ${part === 0 ? "" : part === 1 ? "end" : "middle"}`, x: px(x0 + part * (x1 - x0)), y: HEIGHT - 6,
  }, x(x0 + part * (x1 - x0))));
}

// The next of 1, 2, 2.5, 5, 10 times a power of ten.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].find((step) => step * power >= value - 1e-12) * power;
}

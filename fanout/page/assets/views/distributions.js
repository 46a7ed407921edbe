// View 8: how attempts differ: quantiles, histograms, nodes against each other, size against time.
import { h, note, section, table } from "../dom.js";
import { bytes, duration, number } from "../format.js";
import { histogram, scatter } from "../charts.js";

const PARTS = [["least", 0], ["25 %", 0.25], ["median", 0.5], ["75 %", 0.75], ["95 %", 0.95], ["most", 1]];
const MEASURES = [["Loading", "load", duration], ["Running", "run", duration], ["Items", "items", number], ["Rows", "rows", number], ["Size of rows", "bytes", bytes]];
const BINS = 40;
const MOST_DOTS = 1500;

export function distributionsView(ctx) {
  const { data } = ctx;
  if (!data.count) return section("Distributions", note("No attempt has ended yet."));
  const sorted = Object.fromEntries(MEASURES.map(([, name]) => [name, data.columns[name].slice(0, data.count).sort()]));
  return h("div", { class: "panels" },
    ctx.page.advice.length > 0 && section("Advice", ctx.page.advice.map((one) => h("p", {}, one))),
    section(`Quantiles of ${number(data.count)} attempts`, table(["Measure", ...PARTS.map(([title]) => title), "sum"], MEASURES.map(([title, name, words]) => [title, ...PARTS.map(([, part]) => words(quantile(sorted[name], part))), words(sum(sorted[name]))]), "Quantiles")),
    h("div", { class: "two" },
      section("Running", histogram({ title: "Seconds in run()", bins: bins(sorted.run), x: duration, y: number })),
      quantile(sorted.load, 1) > 0.001 && section("Loading", histogram({ title: "Seconds to load a mini-batch", bins: bins(sorted.load), x: duration, y: number })),
      section("Items", histogram({ title: "Items in a mini-batch", bins: bins(sorted.items), x: number, y: number })),
      section("Size against time", scatter({ title: "Items against seconds in run(); a dot is an attempt", points: dots(data), x: number, y: duration }))),
    section("By node", byNode(data)));
}

function quantile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

function sum(column) {
  let total = 0;
  for (const value of column) total += value;
  return total;
}

// Equal slices between the least and the 99.5th percentile; what is beyond is in the last.
function bins(sorted) {
  const from = sorted[0], to = Math.max(quantile(sorted, 0.995), from + 1e-9), width = (to - from) / BINS;
  if (sorted.at(-1) === from) return [{ from, to: from, count: sorted.length }];
  const found = Array.from({ length: BINS }, (_, at) => ({ from: from + at * width, to: at === BINS - 1 ? sorted.at(-1) : from + (at + 1) * width, count: 0 }));
  for (const value of sorted) found[Math.min(BINS - 1, Math.floor((value - from) / width))].count += 1;
  return found;
}

function dots(data) {
  const every = Math.max(1, Math.floor(data.count / MOST_DOTS)), found = [], { items, run, status } = data.columns;
  for (let place = 0; place < data.count; place += every) found.push([items[place], run[place], status[place] ? "t-failed" : ""]);
  return found;
}

function byNode(data) {
  const nodes = new Map(), { lane, status, run } = data.columns;
  for (let place = 0; place < data.count; place += 1) {
    const node = data.lanes[lane[place]][0];
    if (!nodes.has(node)) nodes.set(node, { count: 0, failed: 0, seconds: [] });
    const one = nodes.get(node);
    one.count += 1;
    if (status[place]) one.failed += 1;
    one.seconds.push(run[place]);
  }
  const rows = [...nodes].sort((a, b) => a[0] - b[0]).map(([node, one]) => {
    const sorted = Float32Array.from(one.seconds).sort();
    return [node, number(one.count), number(one.failed), ...[0, 0.5, 0.95, 1].map((part) => duration(quantile(sorted, part))), duration(sum(sorted))];
  });
  return table(["Node", "Attempts", "Failed", "least", "median", "95 %", "most", "Busy"], rows, "By node");
}

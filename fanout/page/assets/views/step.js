// View 3: how a step goes: counts, progress over time, rate, slots that work, thresholds, what runs just now.
import { copyable, h, note, section, table } from "../dom.js";
import { duration, many, number, percent, tone } from "../format.js";
import { lineChart } from "../charts.js";

const BINS = 120;

export function stepView(ctx) {
  const { step, page, data } = ctx, c = step.counts;
  const took = step.started ? (step.ended ?? page.now) - step.started : null;
  return h("div", { class: "panels" },
    h("section", { class: `panel verdict ${tone(step.words)}` }, h("p", {}, h("strong", {}, `${step.name}: ${step.words}`), step.reason && `: ${step.reason}`),
      step.taken_from && h("p", {}, `Taken over from run ${step.taken_from}.`)),
    c && section("Mini-batches", facts(step, c, took), meter(c)),
    data && data.count > 0 && h("div", { class: "two" }, charts(step, data)),
    c && section("Thresholds", thresholds(step, c)),
    step.running.length > 0 && section("Running now", table(["Mini-batch", "Attempt", "Node", "Slot", "For", "Limit"],
      step.running.slice(0, 100).map((one) => [h("a", { href: ctx.link("mini-batch", { index: one.index }) }, number(one.index)), one.attempt + 1, one.node, one.process, duration(one.seconds), duration(step.time_limit)]), "Running now")),
    section("Commands", Object.entries(step.commands).map(([what, line]) => h("div", {}, h("span", { class: "quiet" }, what), copyable(line)))));
}

function facts(step, c, took) {
  const lost = c.failed + c.dead_lettered, settled = c.succeeded + lost + c.canceled, alive = step.nodes.filter((node) => node.alive);
  const left = c.total === null || step.over || !settled || !took ? null : ((c.total - settled) * took) / settled;
  const rows = [["Planned", c.total === null ? "still planning" : number(c.total)], ["Succeeded", number(c.succeeded)], ["Failed", number(lost)], ["Canceled", number(c.canceled)], ["Failed tries, tried again", number(c.retried)],
    ["Items", c.items ? `${number(c.items)}${c.items_failed ? `, ${number(c.items_failed)} failed` : ""}` : "–"], ["Rows", number(c.rows)], ["Took", took === null ? "–" : duration(took)], ["Rate", took && settled ? `${(settled / took).toPrecision(3)}/s` : "–"]];
  if (!step.over) rows.push(["Time left", left === null ? "unknown" : `about ${duration(left)}`], ["Nodes alive", `${alive.length} of ${step.joined}`], ["Slots", `${step.running.length} busy of ${alive.reduce((sum, node) => sum + node.slots, 0)}`],
    ["Queue", step.queue ? `${number(step.queue.waiting)} waiting, ${number(step.queue.with_nodes)} with nodes` : "unknown"], ["Dead letters", step.dead_letters === null ? "unknown" : number(step.dead_letters)]);
  return h("dl", { class: "facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function meter(c) {
  const total = Math.max(1, c.total ?? c.succeeded + c.failed + c.dead_lettered + c.canceled);
  const parts = [["t-succeeded", c.succeeded, "succeeded"], ["t-failed", c.failed, "failed"], ["t-dead", c.dead_lettered, "dead-lettered"], ["t-canceled", c.canceled, "canceled"]];
  return h("div", { class: "meter", role: "img", "aria-label": parts.map(([, n, what]) => `${percent(n, total)} ${what}`).join(", ") },
    parts.map(([name, n]) => h("span", { class: name, css: { width: `${(100 * n) / total}%` } })));
}

// Counts in equal slices of time: ends by outcome, and slots that work.
export function overTime(data, until) {
  const [first, end] = data.span(), last = Math.max(end, until ?? 0), width = (last - first) / BINS;
  const done = new Float64Array(BINS), lost = new Float64Array(BINS), again = new Float64Array(BINS), busy = new Float64Array(BINS);
  const { status, start, load, run } = data.columns, tick = data.tick;
  for (let place = 0; place < data.count; place += 1) {
    const from = start[place] * tick - first, to = from + load[place] + run[place];
    const bin = Math.min(BINS - 1, Math.floor(to / width)), code = status[place];
    if (code === 0) done[bin] += 1; else if (code === 1 || code === 2) again[bin] += 1; else lost[bin] += 1;
    for (let at = Math.min(BINS - 1, Math.floor(from / width)); at <= bin; at += 1) busy[at] += Math.min(to, (at + 1) * width) - Math.max(from, at * width);
  }
  return { width, done, lost, again, busy: busy.map((seconds) => seconds / width) };
}

function charts(step, data) {
  const slices = overTime(data), seconds = (value) => duration(value);
  const sums = (column) => { let sum = 0; return [[0, 0], ...Array.from(column, (n, at) => [(at + 1) * slices.width, (sum += n)])]; };
  const steps = (column, by) => Array.from(column, (n, at) => [(at + 0.5) * slices.width, n / by]);
  return [
    section("Progress", lineChart({ title: "Attempts that ended", x: seconds, y: (n) => number(n), lines: [
      { name: "succeeded", tone: "t-succeeded", points: sums(slices.done), area: true }, { name: "failed for good", tone: "t-failed", points: sums(slices.lost) }, { name: "to be tried again", tone: "t-again", points: sums(slices.again), dashed: true }] })),
    section("Rate", lineChart({ title: "Successes a second", x: seconds, y: (n) => (n < 10 ? n.toFixed(1) : number(n)), lines: [{ name: "successes", tone: "t-succeeded", points: steps(slices.done, slices.width), area: true }] })),
    section("Slots that work", lineChart({ title: `Slots busy; ${many(data.lanes.length, "slot")} worked in all`, x: seconds, y: (n) => (n < 10 ? n.toFixed(1) : number(n)), lines: [{ name: "busy", tone: "t-running", points: steps(slices.busy, 1), area: true }] })),
    section("Failures against their limit", lineChart({ title: "Mini-batches failed for good", x: seconds, y: (n) => number(n), marks: limit(step), lines: [{ name: "failed", tone: "t-failed", points: sums(slices.lost), area: true }] })),
  ];
}

function limit(step) {
  const t = step.thresholds, total = step.counts?.total, marks = [];
  if (t.mini_batch_error_threshold >= 0) marks.push({ y: t.mini_batch_error_threshold, label: `mini_batch_error_threshold ${t.mini_batch_error_threshold}` });
  if (t.allowed_failed_percent < 100 && total) marks.push({ y: (total * t.allowed_failed_percent) / 100, label: `allowed_failed_percent ${t.allowed_failed_percent}` });
  return marks;
}

function thresholds(step, c) {
  const t = step.thresholds, lost = c.failed + c.dead_lettered, lines = [];
  if (t.mini_batch_error_threshold >= 0) lines.push(`${number(lost)} of ${number(t.mini_batch_error_threshold)} failed mini-batches allowed (mini_batch_error_threshold).`);
  if (t.error_threshold >= 0) lines.push(`${number(c.items_failed)} of ${number(t.error_threshold)} failed items allowed (error_threshold).`);
  if (t.allowed_failed_percent < 100) lines.push(`${percent(lost, c.total ?? 0)} of ${t.allowed_failed_percent} % failed mini-batches allowed (allowed_failed_percent).`);
  return lines.length ? lines.map((line) => h("p", {}, line)) : note("None is set: any number of mini-batches and items may fail without ending the step.");
}

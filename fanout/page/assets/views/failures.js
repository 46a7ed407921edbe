// View 7: the kinds of failures: how many, when, the first of each, and the mini-batches it concerns.
import { copyable, h, note, section } from "../dom.js";
import { many, miniBatches, moment, number, duration } from "../format.js";
import { lineChart } from "../charts.js";

const BINS = 60;
const TONES = ["t-failed", "t-accent", "t-again", "t-short", "t-running"];

export function failuresView(ctx) {
  const { step, data, page } = ctx;
  if (!step.kinds.length) return section("Failures", note(step.counts?.retried ? "Attempts failed, and their mini-batches succeeded later." : "Nothing has failed."));
  return h("div", { class: "panels" },
    section(many(step.kinds.length, "kind of failure", "kinds of failures"), h("p", {}, sentence(step)), h("span", { class: "quiet" }, "In the terminal"), copyable(page.commands["All failures"])),
    data.count > 0 && section("Over time", chart(step, data)),
    step.kinds.map((kind, at) => one(ctx, kind, at)));
}

function sentence(step) {
  const c = step.counts, lost = c ? c.failed + c.dead_lettered : 0;
  const items = c?.items_failed ? `, ${many(c.items_failed, "item")} failed` : "";
  return `${miniBatches(lost)} failed for good${items}; ${many(c?.retried ?? 0, "failed try was", "failed tries were")} followed by another. The kinds that gave up most come first.`;
}

function one(ctx, kind, at) {
  const first = kind.index === null ? `node ${kind.node}, ${kind.process}` : `mini-batch ${number(kind.index)} on node ${kind.node}, ${kind.process}`;
  return h("section", { class: "panel" }, h("h2", {}, `${number(kind.count)} × ${kind.cause.replaceAll("_", " ")}: ${kind.message}`),
    h("p", { class: "quiet" }, `First: ${moment(kind.at)}, ${first}. `, kind.index === null ? "It concerns the start or end of a script." : `${miniBatches(kind.affected)} affected, ${many(kind.given_up, "attempt was", "attempts were")} the last.`),
    kind.traceback && h("details", { id: `kind-${kind.number}`, open: at < 3 }, h("summary", {}, "Traceback of the first"), h("pre", { tabindex: 0 }, kind.traceback)),
    kind.mini_batches.length > 0 && h("p", {}, kind.mini_batches.slice(0, 40).map((index) => [h("a", { href: ctx.link("mini-batch", { index }) }, number(index)), " "]), kind.affected > 40 && `and ${number(kind.affected - 40)} more`),
    kind.index !== null && copyable(`${ctx.step.run_one[0]}${kind.index}${ctx.step.run_one[1]}`));
}

function chart(step, data) {
  const [first, last] = data.span(), width = (last - first) / BINS, shown = step.kinds.filter((kind) => kind.index !== null).slice(0, 5);
  const counts = new Map(shown.map((kind) => [kind.number, new Float64Array(BINS)]));
  for (let place = 0; place < data.count; place += 1) {
    const slices = counts.get(data.columns.kind[place]);
    if (slices) slices[Math.min(BINS - 1, Math.floor((data.end(place) - first) / width))] += 1;
  }
  const lines = shown.map((kind, at) => ({ name: kind.message.slice(0, 40), tone: TONES[at], points: Array.from(counts.get(kind.number), (n, bin) => [(bin + 0.5) * width, n]) }));
  return lineChart({ title: "Failed attempts", lines, x: duration, y: number });
}

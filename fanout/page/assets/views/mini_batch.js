// View 6: one mini-batch: its items, each try of it, and the commands to look closer.
import { copyable, h, note, section, table } from "../dom.js";
import { duration, moment, number } from "../format.js";
import { OUTCOMES, STATUSES } from "../attempts.js";

export async function miniBatchView(ctx) {
  const index = Number(ctx.params.get("index")), { data, step, page } = ctx;
  const found = await ctx.source.miniBatch(page.run, ctx.round, step.name, index);
  const tries = found?.tries ?? fromColumns(data, index, step), total = data.outcome.length;
  const running = step.running.filter((one) => one.index === index);
  const outcome = running.length ? `running for ${duration(running[0].seconds)} on node ${running[0].node}, ${running[0].process}` : OUTCOMES[data.outcome[index]] ?? "unknown";
  const [before, behind] = step.run_one;
  const move = (to, label) => to >= 0 && to < total && h("a", { href: ctx.link("mini-batch", { index: to }) }, label);
  return h("div", { class: "panels" },
    section(`Mini-batch ${number(index)} of ${step.name}`, h("p", {}, h("strong", {}, outcome), `, ${tries.length} ${tries.length === 1 ? "try has" : "tries have"} ended`),
      h("p", { class: "bar-row" }, move(index - 1, "← previous"), move(index + 1, "next →"), h("a", { href: ctx.link("map", {}) }, "map"))),
    section("Items", items(found)),
    section("Tries", tries.length ? table(["Try", "Status", "Items", "Node", "Slot", "Started", "Waited", "Loading", "Running", "Rows"], tries.map((one, at) => row(ctx, one, tries[at - 1], found)), "Tries") : note("No try has ended yet.")),
    tries.filter((one) => one.message).map((one) => section(`Try ${one.attempt + 1}: ${one.cause || "failed"}`, h("p", {}, one.message), one.traceback && h("pre", { tabindex: 0 }, one.traceback))),
    !found && data.outcome[index] > 1 && note("Tracebacks of this mini-batch are not in this report; the command below shows them."),
    section("Look closer", h("span", { class: "quiet" }, "Run it in front of you"), copyable(`${before}${index}${behind}`),
      h("span", { class: "quiet" }, "Run it again in the run"), page.commands["Run again what failed"] ? copyable(`${page.commands["Run again what failed"]} --step ${step.name} --mini-batch ${index}`) : note("possible when the run is over")));
}

function items(found) {
  if (!found) return note("The items of this mini-batch are not in this report.");
  if (!found.items.length) return note("Its items are not known: it is a range of rows, or the plan cannot be read.");
  const more = found.item_count - found.items.length;
  return [h("ul", { class: "tree" }, found.items.map((item) => h("li", {}, h("code", {}, item)))), more > 0 && note(`and ${number(more)} more`),
    found.failed.length > 0 && [h("h3", {}, "Isolated: these items failed, the others succeeded"), h("ul", { class: "tree" }, found.failed.map((item) => h("li", {}, h("code", {}, item))))]];
}

function row(ctx, one, before, found) {
  const log = h("a", { href: ctx.link("logs", { file: `user/stdout/${one.node}/${one.process}.stdout.txt` }) }, one.process);
  const waited = before && before.started + before.load + before.run <= one.started ? duration(one.started - before.started - before.load - before.run) : found ? "–" : "";
  return [one.attempt + 1, one.status + (one.part ? ` (items ${one.part[0]} to ${one.part[1] - 1})` : ""), number(one.items), one.node, log, moment(one.started), waited, duration(one.load), duration(one.run), number(one.rows)];
}

// A report has details of failed mini-batches only; of others, what their columns say.
function fromColumns(data, index, step) {
  const c = data.columns;
  return data.placesOf(index).map((place) => {
    const [node, process] = data.lanes[c.lane[place]], kind = step.kinds.find((one) => one.number === c.kind[place]);
    return { attempt: c.attempt[place], status: STATUSES[c.status[place]], node, process, started: data.base + data.start(place), load: c.load[place], run: c.run[place], items: c.items[place], rows: c.rows[place],
      part: null, cause: kind?.cause ?? "", message: kind ? `like: ${kind.message}` : "", traceback: kind?.traceback ?? "" };
  }).sort((a, b) => a.started - b.started);
}

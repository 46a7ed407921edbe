// View 12: slot-hours, what retries and idle slots took, and dollars where the run knows them.
import { h, note, section, table } from "../dom.js";
import { duration, number, percent } from "../format.js";

export async function costView(ctx) {
  const steps = ctx.page.steps.filter((step) => step.kind === "parallel" && step.attempts > 0), rows = [];
  for (const step of steps) rows.push(await one(ctx, step));
  const cost = ctx.page.cost;
  return h("div", { class: "panels" },
    section("Slot time", rows.length ? table(["Step", "Slots", "Slot time", "Busy", "Idle", "In failed tries", "Loading", "Share idle", "Share of failed tries"], rows, "Slot time") : note("No attempt has ended yet."),
      note("Slot time is the number of slots times the time from the first attempt to the last. What is not busy is idle: it waited for messages, for other slots at the end of the step, or for its script to start.")),
    section("Dollars and requests", cost ? table(["What", "How much"], Object.entries(cost).map(([name, value]) => [name.replaceAll("_", " "), typeof value === "number" ? number(value) : String(value)]), "Cost") : note("This run has no record of requests; fanout plan estimates them beforehand.")));
}

async function one(ctx, step) {
  const data = await ctx.attempts(step.name), { load, run, status } = data.columns, [first, last] = data.span();
  let busy = 0, failed = 0, loading = 0;
  for (let place = 0; place < data.count; place += 1) {
    const seconds = load[place] + run[place];
    busy += seconds;
    loading += load[place];
    if (status[place]) failed += seconds;
  }
  const slots = Math.max(1, step.nodes.reduce((sum, node) => sum + node.slots, 0) || data.lanes.length), whole = slots * (last - first), idle = Math.max(0, whole - busy);
  return [step.name, number(slots), duration(whole), duration(busy), duration(idle), duration(failed), duration(loading), percent(idle, whole), percent(failed, busy)];
}

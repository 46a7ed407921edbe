// View 9: the nodes: since when, what they did, why they left, what they used of their machines.
import { h, note, section, table } from "../dom.js";
import { duration, moment, number } from "../format.js";
import { lineChart } from "../charts.js";

export async function nodesView(ctx) {
  const { step, data, page } = ctx;
  const usage = await ctx.source.usage(page.run, ctx.round, step.name).catch(() => []);
  const lanes = new Map();
  for (const [node] of data.lanes) lanes.set(node, (lanes.get(node) ?? 0) + 1);
  const rows = step.nodes.map((one) => [one.node, one.host, h("span", { class: `chip ${one.fenced ? "bad" : one.alive ? "busy" : "off"}` }, one.fenced ? "fenced" : one.alive ? "alive" : "left"),
    moment(one.started), duration(one.at - one.started), number(one.slots), number(lanes.get(one.node) ?? 0), number(one.done), number(one.failed), one.fenced || one.left || working(step, one)]);
  return h("div", { class: "panels" },
    section(`Nodes of ${step.name}`, rows.length ? table(["Node", "Host", "State", "Joined", "For", "Slots", "Processes", "Done", "Failed", "What it does, or why it left"], rows, "Nodes") : note("No node has written a status yet."),
    ),
    usage.length ? h("div", { class: "two" }, usage.map((one) => section(`Node ${one.node}`, chart(one)))) : section("Machines", note("What nodes use is written five seconds after they start, then every resource_monitor_interval seconds; there is nothing yet.")));
}

function working(step, node) {
  const running = step.running.filter((one) => one.node === node.node);
  if (node.starting) return `${node.starting} of its slots start`;
  return running.length ? `mini-batch ${running[0].index} for ${duration(running[0].seconds)}${running.length > 1 ? `, and ${running.length - 1} more` : ""}` : "idle";
}

function chart(usage) {
  if (usage.times.length < 2) return note(`One look so far: processors ${Math.round(usage.cpu[0] ?? 0)} %, memory ${Math.round(usage.memory[0] ?? 0)} %.`);
  const first = usage.times[0], points = (column) => column.map((value, at) => [usage.times[at] - first, value]);
  return lineChart({ title: "Percent of processors and memory of the machine", yMax: 100, x: duration, y: (value) => `${Math.round(value)} %`,
    lines: [{ name: "processors", tone: "t-running", points: points(usage.cpu) }, { name: "memory", tone: "t-accent", points: points(usage.memory), dashed: true }] });
}

// View 2: the verdict, what the run waits for, the graph of its steps, a Gantt chart with the critical path, outputs.
import { copyable, h, note, replace, section, svg, table } from "../dom.js";
import { duration, moment, number, tone } from "../format.js";

const BOX = { width: 216, height: 72, gapX: 56, gapY: 22 };

export function runView(ctx) {
  const page = ctx.page;
  return { element: h("div", { class: "panels" }, verdict(page), waits(page), h("div", {}, section("Steps", graph(ctx))), section("Time", gantt(ctx)),
    section("Inputs and outputs", outputs(ctx)),
    section("What to do now", Object.entries(page.commands).map(([what, line]) => h("div", {}, h("span", { class: "quiet" }, what), copyable(line)))),
    page.code_changes.length > 0 && section("Code changed while it ran", page.code_changes.map((one) => h("p", {}, one)))) };
}

function verdict(page) {
  const words = page.over ? `${page.words} in ${duration(page.seconds)}` : `Running for ${duration(page.seconds)}`;
  return h("section", { class: `panel verdict ${tone(page.words)}`, "aria-label": "Verdict" },
    h("p", {}, h("strong", {}, words), page.reason && `: ${page.reason}`),
    page.advice.map((one) => h("p", { class: "quiet" }, one)));
}

function waits(page) {
  return page.waits_for.length > 0 && section("Waits for", page.waits_for.map((one) => h("p", {}, one)));
}

function graph(ctx) {
  const steps = ctx.page.steps, place = (step) => [step.column * (BOX.width + BOX.gapX) + 4, step.row * (BOX.height + BOX.gapY) + 4];
  const width = Math.max(...steps.map((s) => place(s)[0])) + BOX.width + 8, height = Math.max(...steps.map((s) => place(s)[1])) + BOX.height + 8;
  const byName = new Map(steps.map((step) => [step.name, step]));
  const edges = steps.flatMap((step) => step.after.filter((name) => byName.has(name)).map((name) => {
    const [x0, y0] = place(byName.get(name)), [x1, y1] = place(step), from = x0 + BOX.width, mid = BOX.height / 2;
    return svg("path", { class: "edge", d: `M${from} ${y0 + mid}C${from + 30} ${y0 + mid} ${x1 - 30} ${y1 + mid} ${x1} ${y1 + mid}` });
  }));
  const boxes = steps.map((step) => {
    const [x, y] = place(step), c = step.counts, inner = BOX.width - 24;
    const total = c ? Math.max(1, c.total ?? c.succeeded + c.failed) : 0, part = (n) => (inner * Math.min(1, n / Math.max(1, total))).toFixed(1);
    const line = c ? `${number(c.succeeded)} of ${c.total === null ? "?" : number(c.total)}${c.failed + c.dead_lettered ? `, ${number(c.failed + c.dead_lettered)} failed` : ""}` : step.kind;
    const words = `${step.name}: ${step.words}. ${line}`;
    return svg("a", { href: ctx.link("step", { step: step.name }) },
      svg("rect", { class: `s-${tone(step.words)}`, x, y, width: BOX.width, height: BOX.height, rx: 7 }), svg("title", {}, words),
      svg("text", { class: "name", x: x + 12, y: y + 20 }, cut(step.name, 24)), svg("text", { x: x + 12, y: y + 38 }, cut(`${step.words}${step.ended ? ` in ${duration(step.ended - step.started)}` : ""}`, 36)),
      c ? [svg("rect", { class: "track", x: x + 12, y: y + 60, width: inner, height: 4 }), svg("rect", { class: "done", x: x + 12, y: y + 60, width: part(c.succeeded), height: 4 }),
        svg("rect", { class: "lost", x: x + 12 + Number(part(c.succeeded)), y: y + 60, width: part(c.failed + c.dead_lettered), height: 4 })] : [],
      svg("text", { x: x + 12, y: y + 53 }, c ? cut(line, 32) : ""));
  });
  return h("div", { class: "graph", tabindex: 0, role: "group", "aria-label": "Graph of the steps" }, svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, edges, boxes));
}

function gantt(ctx) {
  const { steps, created, now, over, seconds, critical } = ctx.page;
  const last = over ? Math.max(created + 0.001, ...steps.map((s) => s.ended ?? 0)) : now;
  const begun = steps.filter((step) => step.started);
  if (!begun.length) return note(`No step has begun. The run started ${moment(created)}.`);
  const first = Math.min(created, ...begun.map((s) => s.started)), whole = Math.max(0.001, last - first), row = 26, narrow = window.innerWidth < 640, left = narrow ? 84 : 150, width = narrow ? 330 : 1100;
  const x = (at) => left + ((at - first) / whole) * (width - left - 70);
  const bars = begun.flatMap((step, at) => {
    const end = step.ended ?? now, onPath = critical.includes(step.name), y = at * row + 4;
    return [svg("text", { class: "name", x: 4, y: y + 13 }, cut(step.name, narrow ? 10 : 20)),
      svg("rect", { class: `gantt ${toneOf(step)}`, fill: "var(--tone)", x: x(step.started), y, width: Math.max(2, x(end) - x(step.started)), height: 16, rx: 3, opacity: onPath || !over ? 1 : 0.45 },
        svg("title", {}, `${step.name}: ${duration(end - step.started)}${onPath ? ", on the critical path" : ""}`)),
      svg("text", { x: x(end) + 6, y: y + 12 }, `${duration(end - step.started)}${onPath && critical.length > 1 ? " ●" : ""}`)];
  });
  return h("div", { class: "graph", tabindex: 0, role: "group", "aria-label": "Gantt chart" }, svg("svg", { viewBox: `0 0 ${width} ${begun.length * row + 8}`, width, role: "img", "aria-label": `Steps over ${duration(seconds)}` }, bars),
    critical.length > 1 && note(`● on the critical path: ${critical.join(" → ")}. Only a faster one of these makes the run faster.`));
}

function toneOf(step) {
  return { bad: "t-failed", warn: "t-partly", busy: "t-running", good: "t-succeeded" }[tone(step.words)] ?? "t-canceled";
}

function outputs(ctx) {
  const rows = ctx.page.steps.flatMap((step) => [
    ...Object.entries(step.inputs).map(([name, value]) => [step.name, `input ${name}`, h("code", {}, value), ""]),
    ...Object.entries(step.outputs).map(([name, uri]) => [step.name, `output ${name}`, h("code", {}, uri), peek(ctx, step.name, name)]),
  ]);
  return rows.length ? table(["Step", "Data", "Where", "First rows"], rows, "Inputs and outputs") : note("There are none yet.");
}

function peek(ctx, step, output) {
  const place = h("div");
  return h("div", {}, h("button", { type: "button", class: "copy", onClick: async () => {
    const found = await ctx.source.peek(ctx.page.run, ctx.round, step, output).catch(() => null);
    replace(place, found?.text ? h("pre", { tabindex: 0 }, found.text) : note("No text to show: a folder, or not in this report."));
  } }, "show"), place);
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}



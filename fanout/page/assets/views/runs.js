// View 1: the runs of the store, newest first, and a grid of runs and steps coloured by time.
import { h, note, replace, section, table } from "../dom.js";
import { duration, moment, number, tone } from "../format.js";
import { SCALE } from "../colours.js";

export function runsView(ctx) {
  const runs = ctx.runs ?? [];
  if (!runs.length) return section("Runs", note("This store has no runs yet."));
  const memory = ctx.memory, list = h("div"), grid = h("div");
  const draw = () => {
    const shown = runs.filter((run) => fits(run, memory));
    replace(list, shown.length ? table(["Run", "Verdict", "Started", "Took", "Mini-batches", "Failed", "Pipeline"], shown.map((run) => row(ctx, run)), "Runs") : note("No run fits the filter."));
    replace(grid, shown.length ? steps(ctx, shown.slice(0, 60)) : []);
  };
  const input = (label, name, type) => h("label", {}, label, h("input", { type, value: memory[name] ?? "", onInput: (event) => { memory[name] = event.target.value; draw(); } }));
  const verdicts = ["", ...new Set(runs.map((run) => run.words))];
  const element = h("div", { class: "panels" },
    section("Runs", h("div", { class: "bar-row" },
      input("Name, pipeline or tag", "text", "search"),
      h("label", {}, "Verdict", h("select", { onChange: (event) => { memory.verdict = event.target.value; draw(); } },
        verdicts.map((one) => h("option", { value: one, selected: one === memory.verdict }, one || "all")))),
      input("Started on or after", "after", "date")), list),
    section("Runs and steps", note("A row is a run, a column a step of it. The darker of two cells of a column took less time; orange cells failed."), grid));
  draw();
  return element;
}

function fits(run, { text = "", verdict = "", after = "" }) {
  const words = [run.run, run.file, ...Object.entries(run.tags).flat()].join(" ").toLowerCase();
  return words.includes(text.toLowerCase()) && (!verdict || run.words === verdict) && (!after || 1000 * run.created >= new Date(`${after}T00:00`).getTime());
}

function row(ctx, run) {
  return [h("a", { href: ctx.runLink(run.run) }, run.run), h("span", { class: `chip ${tone(run.words)}` }, run.words), moment(run.created), duration(run.seconds),
    number(run.mini_batches), number(run.failed), run.file.split("/").slice(-2).join("/") || "function"];
}

function steps(ctx, runs) {
  const names = [...new Set(runs.flatMap((run) => run.steps.map((step) => step.name)))];
  const most = Object.fromEntries(names.map((name) => [name, Math.max(1e-9, ...runs.flatMap((run) => run.steps.filter((s) => s.name === name).map((s) => s.seconds)))]));
  const cell = (run, name) => {
    const step = run.steps.find((one) => one.name === name);
    if (!step) return "";
    const colour = step.status === "Failed" ? "var(--failed)" : !step.seconds ? "var(--open)" : SCALE[Math.min(6, Math.floor((7 * step.seconds) / most[name]))];
    const words = `${run.run}, ${name}: ${step.words}${step.seconds ? ` in ${duration(step.seconds)}` : ""}`;
    return h("a", { href: ctx.runLink(run.run, "step", { step: name }), title: words, "aria-label": words, css: { background: colour } });
  };
  return h("div", { class: "scroll cells", tabindex: 0, role: "group", "aria-label": "Runs and steps" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Run"), names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, runs.map((run) => h("tr", {}, h("td", {}, run.run), names.map((name) => h("td", {}, cell(run, name))))))));
}

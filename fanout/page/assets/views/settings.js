// View 10: every effective setting and where it came from; another run beside it shows what differs.
import { h, note, replace, section, table } from "../dom.js";

const SECTIONS = ["Parallel", "Step", "Inputs", "Outputs", "Environment variables"];

export function settingsView(ctx) {
  const { page } = ctx, place = h("div", { class: "panels" }), other = ctx.memory;
  const draw = () => replace(place, other.page ? differences(page, other.page) : [], page.steps.map((step) => one(step)), run(page));
  const others = (ctx.runs ?? []).filter((one) => one.run !== page.run);
  const choose = ctx.source.live && others.length > 0 && h("div", { class: "bar-row" }, h("label", {}, "Compare with", h("select", { onChange: async (event) => {
    other.page = event.target.value ? await ctx.source.run(event.target.value) : null;
    draw();
  } }, h("option", { value: "" }, "no other run"), others.map((found) => h("option", { value: found.run, selected: other.page?.run === found.run }, `${found.run} (${found.words})`)))));
  draw();
  return h("div", { class: "panels" }, choose, place);
}

function one(step) {
  return section(`${step.name} (${step.kind})`, SECTIONS.map((title) => {
    const rows = step.settings.filter((row) => row.section === title);
    return rows.length > 0 && [h("h3", {}, title), table(["Key", "Value", "From"], rows.map((row) => [h("code", {}, row.key), row.value, row.origin === "default" ? h("span", { class: "quiet" }, "default") : "pipeline file or option"]), title)];
  }));
}

function run(page) {
  const rows = [["Pipeline file", page.file || "none: a function"], ["Store", page.store], ["fanout", page.fanout], ["Round", String(page.round)], ...Object.entries(page.tags).map(([name, value]) => [`tag ${name}`, String(value)]), ...Object.entries(page.code).map(([step, digest]) => [`code of ${step}`, digest.slice(0, 16)])];
  return section("Run", table(["Key", "Value"], rows, "Run"));
}

function flat(page) {
  const found = new Map([["fanout", page.fanout], ["pipeline file", page.file]]);
  for (const step of page.steps) for (const row of step.settings) found.set(`${step.name}: ${row.key}`, row.value);
  for (const [step, digest] of Object.entries(page.code)) found.set(`${step}: code`, digest.slice(0, 16));
  return found;
}

function differences(page, other) {
  const mine = flat(page), theirs = flat(other), keys = [...new Set([...mine.keys(), ...theirs.keys()])].filter((key) => mine.get(key) !== theirs.get(key));
  return section(`Different from ${other.run}`, keys.length ? table(["Key", page.run, other.run], keys.map((key) => [h("code", {}, key), mine.get(key) ?? "–", theirs.get(key) ?? "–"]), "Differences") : note("Nothing differs: settings, inputs and code are the same."));
}

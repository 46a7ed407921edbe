// The frame: which run, which view, and what happens when the run changes. The address says all of it.
import { h, replace } from "./dom.js";
import { duration, moment, tone } from "./format.js";
import { openSource } from "./source.js";
import { runsView } from "./views/runs.js";
import { runView } from "./views/run.js";
import { stepView } from "./views/step.js";
import { mapView } from "./views/map.js";
import { timelineView } from "./views/timeline.js";
import { miniBatchView } from "./views/mini_batch.js";
import { failuresView } from "./views/failures.js";
import { distributionsView } from "./views/distributions.js";
import { nodesView } from "./views/nodes.js";
import { settingsView } from "./views/settings.js";
import { logsView } from "./views/logs.js";
import { costView } from "./views/cost.js";
import { actionsView } from "./views/actions.js";
import { cardsView } from "./views/cards.js";

const VIEWS = [
  ["run", "Run", runView], ["step", "Step", stepView], ["map", "Map", mapView], ["timeline", "Timeline", timelineView],
  ["failures", "Failures", failuresView], ["distributions", "Distributions", distributionsView],
  ["nodes", "Nodes", nodesView], ["settings", "Settings", settingsView], ["logs", "Outputs + logs", logsView],
  ["cost", "Cost", costView], ["cards", "Cards", cardsView], ["actions", "Actions", actionsView],
];
const OF_A_STEP = new Set(["step", "map", "timeline", "failures", "distributions", "nodes", "logs", "mini-batch", "cards"]);
const NEEDS_ATTEMPTS = new Set(["step", "map", "timeline", "distributions", "cost", "mini-batch", "nodes", "failures"]);
const PARALLEL_ONLY = new Set([...NEEDS_ATTEMPTS].filter((view) => view !== "cost"));

const source = openSource();
const root = document.getElementById("app");
const state = { page: null, runs: null, actions: false, shown: null, stop: null, lost: false, memory: {}, turn: 0 };

function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [run, view] = path.split("/").map(decodeURIComponent);
  const params = new URLSearchParams(query ?? "");
  const name = source.live ? run : state.page?.run;
  return { run: name || null, view: name ? (source.live ? view : run) || "run" : "runs", params };
}

export function link(run, view, params) {
  const query = new URLSearchParams(Object.entries(params ?? {}).filter(([, value]) => value !== undefined && value !== null));
  const path = (source.live ? [run, view] : [view]).map(encodeURIComponent).join("/");
  return `#/${path}${query.size ? `?${query}` : ""}`;
}

function context(at) {
  const steps = state.page?.steps ?? [];
  const wanted = at.params.get("step");
  const fitting = steps.filter((step) => !PARALLEL_ONLY.has(at.view) || step.kind === "parallel");
  const step = fitting.find((one) => one.name === wanted) ?? fitting.find((one) => one.kind === "parallel") ?? fitting[0] ?? null;
  const round = at.params.get("round");
  return {
    source, page: state.page, runs: state.runs, step, round, params: at.params, actions: state.actions, at,
    memory: (state.memory[`${at.view}/${step?.name}`] ??= {}),
    link: (view, params) => link(at.run, view, { step: step?.name, round, ...params }),
    go: (view, params) => { location.hash = link(at.run, view, { step: step?.name, round, ...params }); },
    runLink: (run, view, params) => link(run, view ?? "run", params),
    attempts: (name) => source.attempts(at.run, round, name ?? step?.name),
    refresh: () => show(true),
  };
}

async function show(isUpdate) {
  const turn = (state.turn += 1);
  const at = address();
  try {
    await load(at, isUpdate);
    const now = address(), found = VIEWS.find(([name]) => name === now.view);
    const draw = now.view === "runs" ? runsView : now.view === "mini-batch" ? miniBatchView : found?.[2] ?? runView;
    const ctx = context(now);
    if (PARALLEL_ONLY.has(now.view) && (!ctx.step || ctx.step.kind !== "parallel")) {
      frame(now, ctx, h("p", { class: "quiet" }, "This run has no parallel step: there are no mini-batches to show."));
      return;
    }
    if (NEEDS_ATTEMPTS.has(now.view) && ctx.step?.kind === "parallel") ctx.data = await ctx.attempts();
    if (turn !== state.turn) return;
    const key = `${now.run}/${now.view}/${ctx.step?.name}/${now.params}`;
    if (isUpdate && state.shown?.key === key && state.shown.update) {
      state.shown.update(ctx);
      head(now, ctx);
      return;
    }
    const drawn = await draw(ctx);
    if (turn !== state.turn) return;
    keepPlace(() => frame(now, ctx, drawn.element ?? drawn), isUpdate);
    state.shown = { key, update: drawn.update };
    drawn.shown?.();
  } catch (error) {
    if (turn === state.turn) frame(at, context(at), h("p", { class: "alert", role: "alert" }, String(error.message ?? error)));
  }
}

async function load(at, isUpdate) {
  if (!source.live) {
    state.page ??= await source.run();
    return;
  }
  if (!at.run || state.runs === null) {
    const found = await source.runs();
    state.runs = found.runs;
    state.actions = found.actions;
  }
  const round = at.params.get("round");
  if (!at.run) { follow(null); state.page = null; return; }
  if (isUpdate || state.page?.run !== at.run || state.round !== round) {
    state.page = await source.run(at.run, round);
    state.round = round;
  }
  follow(at.run);
}

function follow(run) {
  if (state.followed === run) return;
  state.stop?.();
  state.followed = run;
  state.stop = run === null ? null : source.follow(run, later, (lost) => { state.lost = lost; mark(); });
}

// At most two updates a second, however often the run changes.
let due = 0;
function later() {
  if (due) return;
  due = setTimeout(() => { due = 0; show(true); }, 400);
}

function mark() {
  document.getElementById("connection")?.replaceChildren(state.lost ? "not connected: numbers may be old" : "");
}

function frame(at, ctx, content) {
  const header = h("header", { id: "head" });
  replace(root,
    h("a", { class: "skip", href: "#view", onClick: (event) => { event.preventDefault(); document.getElementById("view").focus(); } }, "Skip to content"),
    header,
    at.run && h("nav", { "aria-label": "Views" }, h("ul", { class: "tabs" }, tabs(at, ctx))),
    at.run && choices(at, ctx),
    h("main", { id: "view", tabindex: -1 }, content));
  head(at, ctx);
}

function head(at, ctx) {
  const page = state.page, header = document.getElementById("head");
  document.title = page && at.run ? `${page.words}: ${page.run} – fanout` : "fanout";
  replace(header,
    h("div", { class: "crumbs" },
      source.live ? h("a", { href: "#/", class: "brand" }, "fanout") : h("span", { class: "brand" }, "fanout"),
      page && at.run && h("h1", {}, page.run),
      page && at.run && h("span", { class: `chip ${tone(page.words)}` }, page.words),
      page && at.run && h("span", { class: "quiet" }, `${page.over ? "in" : "for"} ${duration(page.seconds)}, started ${moment(page.created)}`),
      h("span", { id: "connection", class: "quiet", role: "status" })));
  mark();
}

function tabs(at, ctx) {
  const shown = VIEWS.filter(([name]) => name !== "actions" || state.actions);
  return shown.map(([name, title]) => h("li", {}, h("a", {
    href: ctx.link(name, {}), "aria-current": name === at.view ? "page" : undefined,
  }, title)));
}

function choices(at, ctx) {
  const steps = state.page.steps.filter((step) => !PARALLEL_ONLY.has(at.view) || step.kind === "parallel");
  const rounds = source.live && state.page.last_round > 1 ? Array.from({ length: state.page.last_round }, (_, k) => k + 1) : [];
  const items = (label, values, current, params) => values.length > 1 && h("nav", { class: "choice", "aria-label": label }, h("span", { class: "quiet" }, label),
    values.map((value) => h("a", { href: ctx.link(at.view, params(value)), "aria-current": String(value) === String(current) ? "true" : undefined }, String(value))));
  return h("div", { class: "choices" },
    OF_A_STEP.has(at.view) && items("Step", steps.map((step) => step.name), ctx.step?.name, (step) => ({ step })),
    items("Round", rounds, state.page.round, (round) => ({ round })));
}

// After a view was drawn anew the focus and the open details are where they were.
function keepPlace(draw, wanted) {
  const path = [], main = document.getElementById("view"), at = window.scrollY;
  const open = wanted ? [...(main?.querySelectorAll("details[open]") ?? [])].map((one) => one.id) : [];
  for (let node = document.activeElement; wanted && node && main?.contains(node) && node !== main; node = node.parentElement) {
    path.unshift([...node.parentElement.children].indexOf(node));
  }
  draw();
  if (!wanted) { window.scrollTo(0, 0); return; }
  for (const id of open.filter(Boolean)) document.getElementById(id)?.setAttribute("open", "");
  let found = document.getElementById("view");
  for (const step of path) found = found?.children[step];
  if (path.length) found?.focus({ preventScroll: true });
  window.scrollTo(0, at);
}

window.addEventListener("hashchange", () => show(false));
window.addEventListener("resize", () => { clearTimeout(state.resized); state.resized = setTimeout(() => show(true), 150); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(false));
show(false);

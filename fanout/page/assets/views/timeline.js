// View 5: a lane a slot, a bar an attempt. Where there are too many bars, a strip of density with what is special on top.
import { h, note, section } from "../dom.js";
import { duration, number } from "../format.js";
import { STATUSES } from "../attempts.js";
import { colours } from "../colours.js";
import { canvasBox, draggable } from "./canvas.js";

const MOST_BARS = 20000;
const SLOWEST = 200;

export function timelineView(first) {
  let ctx = first, size = null, hits = [];
  const memory = ctx.memory;
  const order = () => ctx.data.lanes.map((lane, at) => ({ node: lane[0], process: lane[1], at })).sort((a, b) => a.node - b.node || a.process.localeCompare(b.process));
  const laneHeight = () => Math.max(2, Math.min(20, Math.floor(620 / Math.max(1, ctx.data.lanes.length))));
  const height = () => Math.min(6000, Math.max(80, laneHeight() * ctx.data.lanes.length + 30));
  const { canvas, box, words, fit, show, at } = canvasBox("Timeline of slots. Left and right move, plus and minus zoom, 0 shows all.", height);
  const says = h("p", { class: "quiet" });
  const left = () => (size.width < 600 ? 8 : 110);
  const view = () => (memory.view ??= [...ctx.data.span()]);

  function draw() {
    size = fit();
    const { data } = ctx, context = canvas.getContext("2d"), tone = colours(), row = laneHeight(), lanes = order();
    context.scale(size.ratio, size.ratio);
    context.fillStyle = tone.paper;
    context.fillRect(0, 0, size.width, size.height);
    if (!data.count) return;
    const [from, to] = view(), scale = (size.width - left() - 4) / (to - from), x = (seconds) => left() + (seconds - from) * scale;
    const rowOf = new Uint32Array(lanes.length);
    lanes.forEach((lane, y) => { rowOf[lane.at] = y; });
    const inView = places(data, from, to), bars = inView.count <= MOST_BARS;
    hits = [];
    if (bars) for (const place of inView.some) bar(context, data, place, x, rowOf[data.columns.lane[place]] * row, row, tone);
    else density(context, data, from, to, x, rowOf, row, tone);
    axis(context, from, to, x, lanes, row, tone);
    says.textContent = bars ? `${number(inView.count)} attempts from ${duration(from - data.span()[0])} to ${duration(to - data.span()[0])} after the start.` : `${number(inView.count)} attempts: how busy each slot was; failed and the slowest ones are single bars. Zoom in to see each.`;
  }

  function places(data, from, to) {
    const some = [];
    let count = 0;
    for (let place = 0; place < data.count; place += 1) {
      if (data.start(place) > to || data.end(place) < from) continue;
      count += 1;
      if (count <= MOST_BARS) some.push(place);
    }
    return { some, count };
  }

  function bar(context, data, place, x, y, row, tone) {
    const start = data.start(place), loaded = start + data.columns.load[place], x0 = Math.max(left(), x(start)), x1 = Math.max(left(), x(loaded)), x2 = x(data.end(place));
    if (x2 < left()) return;
    const width = Math.max(1, x2 - x0 - (x2 - x0 > 4 ? 1 : 0));
    context.fillStyle = tone.statuses[data.columns.status[place]];
    context.fillRect(x0, y + (row > 4 ? 1 : 0), width, row > 4 ? row - 2 : row);
    if (x1 - x0 > 1) { context.fillStyle = tone.load; context.fillRect(x0, y + (row > 4 ? 1 : 0), x1 - x0, row > 4 ? row - 2 : row); }
    hits.push([x0, x0 + Math.max(2, width), y, y + row, place]);
  }

  function density(context, data, from, to, x, rowOf, row, tone) {
    const across = Math.floor(size.width - left()), scale = across / (to - from), busy = new Float32Array(across * data.lanes.length);
    const { start, load, run, lane, status } = data.columns, special = [], limit = slowest(data);
    for (let place = 0; place < data.count; place += 1) {
      const begin = start[place] * data.tick, seconds = load[place] + run[place], a = (begin - from) * scale, b = a + seconds * scale;
      if (b < 0 || a >= across) continue;
      if ((status[place] || seconds >= limit) && special.length < MOST_BARS) special.push(place);
      const base = lane[place] * across;
      for (let pixel = Math.max(0, Math.floor(a)); pixel <= b && pixel < across; pixel += 1) busy[base + pixel] += Math.min(b, pixel + 1) - Math.max(a, pixel);
    }
    context.fillStyle = tone.statuses[0];
    for (let at = 0; at < data.lanes.length; at += 1) {
      for (let pixel = 0; pixel < across; pixel += 1) {
        const share = busy[at * across + pixel];
        if (share <= 0) continue;
        context.globalAlpha = Math.min(1, 0.15 + 0.85 * share);
        context.fillRect(left() + pixel, rowOf[at] * row + (row > 4 ? 1 : 0), 1, row > 4 ? row - 2 : row);
      }
    }
    context.globalAlpha = 1;
    for (const place of special) bar(context, data, place, x, rowOf[lane[place]] * row, row, tone);
  }

  function slowest(data) {
    if (data.derived?.slowest === undefined) data.keep("slowest", data.columns.run.slice(0, data.count).sort()[Math.max(0, data.count - SLOWEST)]);
    return data.derived.slowest;
  }

  function axis(context, from, to, x, lanes, row, tone) {
    context.fillStyle = tone.of("quiet");
    context.font = "11px system-ui, sans-serif";
    if (row >= 9 && left() > 20) lanes.forEach((lane, y) => context.fillText(`node ${lane.node} · ${lane.process.replace("process", "")}`, 4, y * row + row - 4));
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const seconds = from + part * (to - from);
      context.textAlign = part === 0 ? "left" : part === 1 ? "right" : "center";
      context.fillText(duration(Math.max(0, seconds - ctx.data.span()[0])), x(seconds), size.height - 8);
    }
    context.textAlign = "left";
  }

  const within = (px, py) => hits.findLast(([x0, x1, y0, y1]) => px >= x0 && px <= x1 && py >= y0 && py < y1)?.[4] ?? null;
  const zoom = (factor, px) => {
    const [from, to] = view(), [first, last] = ctx.data.span(), middle = from + ((px - left()) / (size.width - left())) * (to - from);
    const width = Math.min(last - first, Math.max(0.002, (to - from) / factor)), start = Math.max(first, Math.min(last - width, middle - (middle - from) / factor));
    memory.view = [start, start + width];
    memory.zoomed = width < last - first;
    draw();
  };
  const pan = (seconds) => {
    const [from, to] = view(), [first, last] = ctx.data.span(), by = Math.max(first - from, Math.min(last - to, seconds));
    memory.view = [from + by, to + by];
    draw();
  };
  const tell = (place) => {
    const { data } = ctx, lane = data.lanes[data.columns.lane[place]];
    return `mini-batch ${number(data.columns.index[place])}, try ${data.columns.attempt[place] + 1}: ${STATUSES[data.columns.status[place]]}\nnode ${lane[0]}, ${lane[1]}\nloading ${duration(data.columns.load[place])}, running ${duration(data.columns.run[place])}`;
  };
  draggable(canvas, at, (dx) => pan((-dx / (size.width - left())) * (view()[1] - view()[0])), (x, y) => { const place = within(x, y); if (place !== null) ctx.go("mini-batch", { index: ctx.data.columns.index[place] }); });
  canvas.addEventListener("pointermove", (event) => { const [x, y] = at(event), place = within(x, y); show(place === null ? null : tell(place), x, y); });
  canvas.addEventListener("wheel", (event) => { if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoom(event.deltaY < 0 ? 1.4 : 0.7, at(event)[0]); } }, { passive: false });
  const width = () => view()[1] - view()[0], all = () => { memory.view = null; memory.zoomed = false; draw(); }, middle = () => left() + (size.width - left()) / 2;
  const keys = { ArrowLeft: () => pan(-width() / 8), ArrowRight: () => pan(width() / 8), "+": () => zoom(1.6, middle()), "=": () => zoom(1.6, middle()), "-": () => zoom(0.6, middle()), 0: all };
  canvas.addEventListener("keydown", (event) => { if (keys[event.key]) { event.preventDefault(); keys[event.key](); } });
  const button = (label, title, act) => h("button", { type: "button", "aria-label": title, title, onClick: act }, label);
  const element = section("Timeline", ctx.data.count ? [
    h("div", { class: "bar-row" }, button("+", "Zoom in", keys["+"]), button("−", "Zoom out", keys["-"]), button("All", "All of the time", all), h("span", { class: "legend" }, [["t-load", "loading"], ["t-succeeded", "succeeded"], ["t-again", "failed, tried again"], ["t-failed", "failed"], ["t-short", "short return"]].map(([key, name]) => h("span", { class: `key ${key}` }, name)))),
    says, box, words] : note("No attempt has ended yet."));
  return { element, shown: draw, update: (now) => { ctx = now; if (!memory.zoomed) memory.view = null; draw(); } };
}

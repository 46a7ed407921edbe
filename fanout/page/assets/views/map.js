// View 4: a cell for each mini-batch, up to a million and more, on one canvas. Zooming makes cells larger; the order stays.
import { h, note, section } from "../dom.js";
import { duration, number } from "../format.js";
import { OUTCOMES } from "../attempts.js";
import { PALETTE, SCALE, colours, pixel } from "../colours.js";
import { canvasBox, draggable } from "./canvas.js";

const MODES = [["outcome", "Outcome"], ["duration", "Seconds of the last try"], ["attempts", "Number of tries"], ["node", "Node"]];
const TONES = ["t-open", "t-succeeded", "t-failed", "t-dead", "t-canceled", "t-short", "t-partly", "t-again"];

export function mapView(first) {
  let ctx = first;
  const memory = ctx.memory;
  memory.mode ??= "outcome";
  memory.cursor ??= 0;
  const most = () => Math.max(220, Math.min(560, Math.round(window.innerHeight * 0.6)));
  // Few mini-batches need no more than their rows; cells are at most 24 pixels then.
  const height = () => memory.cell ? most() : Math.min(most(), Math.max(48, Math.ceil(ctx.data.outcome.length / Math.max(1, Math.floor((box.clientWidth || 800) / 24))) * 24));
  const { canvas, box, words, fit, show, at } = canvasBox("Map of mini-batches. Arrow keys move, plus and minus zoom, Enter opens a mini-batch.", height);
  const legend = h("div", { class: "bar-row" });
  let size = null, paint = null;

  const total = () => ctx.data.outcome.length;
  const columns = () => Math.max(1, Math.floor(canvas.width / cell()));
  const whole = () => { let c = 1; while (c < 24 * (size?.ratio ?? 1) && Math.ceil(total() / Math.floor(canvas.width / (c + 1))) * (c + 1) <= canvas.height) c += 1; return c; };
  const cell = () => memory.cell ?? whole();
  const rows = () => Math.ceil(total() / columns());
  const bound = () => { memory.top = Math.max(0, Math.min(memory.top ?? 0, rows() * cell() - canvas.height)); };
  const hit = (x, y) => {
    const column = Math.floor((x * size.ratio) / cell()), row = Math.floor((y * size.ratio + memory.top) / cell()), index = row * columns() + column;
    return column < columns() && index >= 0 && index < total() ? index : null;
  };

  function draw() {
    size = fit();
    if (!total()) return;
    bound();
    const c = cell(), across = columns(), image = new ImageData(canvas.width, canvas.height), pixels = new Uint32Array(image.data.buffer);
    const colour = (paint ??= painter(ctx, memory.mode)), back = pixel(colours().paper), gap = c >= 6 ? 1 : 0;
    pixels.fill(back);
    for (let row = Math.floor(memory.top / c); row * c - memory.top < canvas.height; row += 1) {
      const from = row * across, to = Math.min(total(), from + across), y = row * c - memory.top;
      for (let index = from; index < to; index += 1) {
        const value = colour.of(index), x = (index - from) * c;
        for (let dy = Math.max(0, -y); dy < c - gap && y + dy < canvas.height; dy += 1) pixels.fill(value, (y + dy) * canvas.width + x, (y + dy) * canvas.width + x + c - gap);
      }
    }
    const context = canvas.getContext("2d");
    context.putImageData(image, 0, 0);
    outline(context, memory.cursor, c, across);
    legend.replaceChildren(...colour.legend);
  }

  function outline(context, index, c, across) {
    if (document.activeElement !== canvas) return;
    context.strokeStyle = colours().ink;
    context.lineWidth = 2;
    context.strokeRect((index % across) * c - 1.5, Math.floor(index / across) * c - memory.top - 1.5, Math.max(4, c + 2), Math.max(4, c + 2));
  }

  function zoom(factor, x, y) {
    const index = hit(x, y) ?? memory.cursor;
    memory.cell = Math.max(1, Math.min(40, factor > 1 ? Math.ceil(cell() * factor) : Math.floor(cell() * factor)));
    memory.top = Math.floor(index / columns()) * cell() - Math.round(y * size.ratio);
    draw();
  }

  function say(index) {
    const { data } = ctx, by = data.byMiniBatch(), failed = data.placesOf(index).filter((place) => data.columns.kind[place]);
    const lane = by.tries[index] ? data.lanes[by.lane[index]] : null;
    const kind = failed.length && ctx.step.kinds.find((one) => one.number === data.columns.kind[failed.at(-1)]);
    const running = ctx.step.running.find((one) => one.index === index);
    return [`mini-batch ${number(index)}: ${running ? `running for ${duration(running.seconds)}` : OUTCOMES[data.outcome[index]]}`,
      by.tries[index] ? `${by.tries[index]} ${by.tries[index] === 1 ? "try" : "tries"}, last ${duration(by.seconds[index])} on node ${lane[0]}, ${lane[1]}` : "no try has ended",
      kind ? kind.message.slice(0, 120) : ""].filter(Boolean).join("\n");
  }

  function move(by) {
    memory.cursor = Math.max(0, Math.min(total() - 1, memory.cursor + by));
    const y = Math.floor(memory.cursor / columns()) * cell();
    if (y < memory.top) memory.top = y;
    if (y + cell() > memory.top + canvas.height) memory.top = y + cell() - canvas.height;
    words.textContent = say(memory.cursor);
    draw();
  }

  const open = (index) => ctx.go("mini-batch", { index });
  draggable(canvas, at, (_, dy) => { memory.top -= Math.round(dy * size.ratio); draw(); }, (x, y) => { const index = hit(x, y); if (index !== null) open(index); });
  canvas.addEventListener("pointermove", (event) => { const [x, y] = at(event), index = hit(x, y); show(index === null ? null : say(index), x, y); });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && rows() * cell() <= canvas.height) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) zoom(event.deltaY < 0 ? 1.25 : 0.8, ...at(event));
    else { memory.top += Math.round(event.deltaY * size.ratio); draw(); }
  }, { passive: false });
  const keys = { ArrowRight: () => move(1), ArrowLeft: () => move(-1), ArrowDown: () => move(columns()), ArrowUp: () => move(-columns()), Home: () => move(-total()), End: () => move(total()),
    "+": () => zoom(1.5, 0, 0), "=": () => zoom(1.5, 0, 0), "-": () => zoom(0.66, 0, 0), 0: () => { memory.cell = null; draw(); }, Enter: () => open(memory.cursor) };
  canvas.addEventListener("keydown", (event) => { if (keys[event.key]) { event.preventDefault(); keys[event.key](); } });
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);

  const choose = h("select", { onChange: (event) => { memory.mode = event.target.value; paint = null; draw(); } }, MODES.map(([value, title]) => h("option", { value, selected: value === memory.mode }, title)));
  const button = (label, title, act) => h("button", { type: "button", "aria-label": title, title, onClick: act }, label);
  const go = h("form", { onSubmit: (event) => { event.preventDefault(); const index = Number(new FormData(event.target).get("index")); if (index >= 0 && index < total()) open(index); } },
    h("label", {}, "Go to mini-batch", h("input", { name: "index", type: "number", min: 0, max: Math.max(0, total() - 1), required: true })));
  const element = section(`Map of ${number(total())} mini-batches`, total() ? [
    h("div", { class: "bar-row" }, h("label", {}, "Colour by", choose), button("+", "Larger cells", () => zoom(1.5, 0, 0)), button("−", "Smaller cells", () => zoom(0.66, 0, 0)), button("All", "All cells at once", () => { memory.cell = null; draw(); }), go), legend, box, words] : note("No mini-batch has been planned yet."));
  return { element, shown: draw, update: (now) => { ctx = now; paint = null; draw(); } };
}

// How cells are coloured, and what the colours mean.
function painter({ data, step }, mode) {
  const by = data.byMiniBatch(), tone = colours(), none = pixel(tone.of("open"));
  const swatch = (colour, label) => { const key = h("span", { class: "swatch" }); key.style.setProperty("background", colour); return h("span", { class: "quiet" }, key, label); };
  if (mode === "outcome") {
    const pixels = Uint32Array.from(tone.outcomes, pixel), counts = new Array(8).fill(0), busy = new Set(step.running.map((one) => one.index)), running = pixel(tone.running);
    for (const code of data.outcome) counts[code] += 1;
    const legend = counts.map((count, code) => count && h("span", { class: `key quiet ${TONES[code]}` }, `${OUTCOMES[code]} ${number(count)}`)).filter(Boolean);
    if (busy.size) legend.push(h("span", { class: "key quiet t-running" }, `running ${number(busy.size)}`));
    return { of: (index) => (busy.has(index) && pixels[data.outcome[index]] !== pixels[1] ? running : pixels[data.outcome[index]]), legend };
  }
  if (mode === "attempts") {
    const pixels = [none, pixel(SCALE[0]), pixel(SCALE[3]), pixel(SCALE[5]), pixel(SCALE[6])];
    return { of: (index) => pixels[Math.min(4, by.tries[index])], legend: ["none", "1 try", "2 tries", "3 tries", "4 or more"].map((label, at) => swatch(at ? SCALE[[0, 0, 3, 5, 6][at]] : tone.of("open"), label)) };
  }
  if (mode === "node") {
    const nodes = [...new Set(data.lanes.map((lane) => lane[0]))], pixels = data.lanes.map((lane) => pixel(PALETTE[nodes.indexOf(lane[0]) % PALETTE.length]));
    return { of: (index) => (by.tries[index] ? pixels[by.lane[index]] : none), legend: nodes.slice(0, 12).map((node, at) => swatch(PALETTE[at % PALETTE.length], `node ${node}`)) };
  }
  const limits = quantiles(by.seconds, by.tries), pixels = SCALE.map(pixel);
  const step_of = (seconds) => { let at = 0; while (at < 6 && seconds > limits[at]) at += 1; return at; };
  return { of: (index) => (by.tries[index] ? pixels[step_of(by.seconds[index])] : none), legend: SCALE.map((colour, at) => swatch(colour, at < 6 ? `up to ${duration(limits[at])}` : "slower")) };
}

// Limits between seven steps: half of all are in the first two, the slowest hundredth in the last.
function quantiles(seconds, tries) {
  const every = Math.max(1, Math.floor(seconds.length / 20000)), sample = [];
  for (let at = 0; at < seconds.length; at += every) if (tries[at]) sample.push(seconds[at]);
  sample.sort((a, b) => a - b);
  return [0.25, 0.5, 0.75, 0.9, 0.97, 0.99].map((part) => sample[Math.floor(part * sample.length)] ?? 0);
}


// Where the data comes from: a live server, or what a report has inside.
import { Attempts, decodePacked, decodeWire } from "./attempts.js";

export function openSource() {
  const inside = document.getElementById("report");
  return inside ? new Embedded(JSON.parse(inside.textContent)) : new Live();
}

class Live {
  constructor() {
    this.live = true;
    this.kept = new Map();
  }

  async json(path, query) {
    const answer = await fetch(`${path}?${new URLSearchParams(query ?? {})}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  runs() { return this.json("api/runs"); }
  run(run, round) { return this.json("api/run", round ? { run, round } : { run }); }
  usage(run, round, step) { return this.json("api/usage", which(run, round, step)); }
  logs(run, round, step) { return this.json("api/logs", which(run, round, step)); }
  log(run, round, step, name) { return this.json("api/log", { ...which(run, round, step), name }); }
  search(run, round, step, text) { return this.json("api/search", { ...which(run, round, step), text }); }
  miniBatch(run, round, step, index) { return this.json("api/mini-batch", { ...which(run, round, step), index }); }
  peek(run, round, step, output) { return this.json("api/peek", { ...which(run, round, step), output }); }

  // The attempts of a step; asked for again, only those that are new are fetched.
  async attempts(run, round, step) {
    const key = `${run}/${round}/${step}`;
    const kept = this.kept.get(key) ?? new Attempts();
    if (!this.kept.has(key)) { this.kept.clear(); this.kept.set(key, kept); }
    kept.busy = (kept.busy ?? Promise.resolve()).catch(() => {}).then(() => this.more(kept, which(run, round, step)));
    await kept.busy;
    return kept;
  }

  async more(kept, query) {
    const answer = await fetch(`api/attempts?${new URLSearchParams({ ...query, since: kept.count, epoch: kept.epoch })}`);
    if (!answer.ok) throw new Error(await answer.text());
    kept.take(decodeWire(await answer.arrayBuffer()));
  }

  async act(run, action, values) {
    const answer = await fetch("api/action", {
      method: "POST",
      headers: { "content-type": "application/json", "x-fanout-action": "1" },
      body: JSON.stringify({ run, action, ...values }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  // Calls `changed` when the run has changed, and `lost` with true or false as the connection goes and comes.
  follow(run, changed, lost) {
    const events = new EventSource(`api/events?${new URLSearchParams({ run })}`);
    events.addEventListener("change", () => changed());
    events.onopen = () => lost(false);
    events.onerror = () => lost(true);
    return () => events.close();
  }
}

function which(run, round, step) {
  return round ? { run, round, step } : { run, step };
}

class Embedded {
  constructor(report) {
    this.live = false;
    this.report = report;
    this.kept = new Map();
  }

  async runs() { return { runs: [], actions: false }; }
  async run() { return this.report.page; }
  async usage(_run, _round, step) { return this.report.usage[step] ?? []; }
  async logs(_run, _round, step) { return this.report.logs[step] ?? []; }
  async log(_run, _round, step, name) { return this.report.texts[step]?.[name] ?? null; }
  async miniBatch(_run, _round, step, index) { return this.report.details[step]?.[index] ?? null; }
  async peek(_run, _round, step, output) { return this.report.peeks[step]?.[output] ?? null; }

  async search(_run, _round, step, text) {
    const hits = [], wanted = text.toLowerCase();
    for (const [name, found] of Object.entries(this.report.texts[step] ?? {})) {
      found.text.split("\n").forEach((line, at) => {
        if (hits.length < 200 && line.toLowerCase().includes(wanted)) hits.push({ name, line: at + 1, text: line.slice(0, 500) });
      });
    }
    return hits;
  }

  async attempts(_run, _round, step) {
    if (!this.kept.has(step)) this.kept.set(step, this.unpack(step));
    return this.kept.get(step);
  }

  async unpack(step) {
    const block = document.getElementById(`attempts-${this.report.blocks[step]}`);
    if (!block) return new Attempts();
    const bytes = Uint8Array.from(atob(block.textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Attempts().take(decodePacked(await new Response(stream).arrayBuffer()));
  }

  follow() { return () => {}; }
}

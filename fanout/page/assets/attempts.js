// The attempts of a step as typed arrays, from either form that fanout/queries/page/columns.py writes.

export const OUTCOMES = ["not started or running", "succeeded", "failed", "dead-lettered", "canceled", "short return", "partly failed", "failed, to be tried again"];
export const STATUSES = ["succeeded", "retried", "split", "failed", "dead-lettered", "short return"];
const KINDS = { B: Uint8Array, H: Uint16Array, I: Uint32Array, f: Float32Array };

export class Attempts {
  constructor() {
    this.count = 0;
    this.columns = {};
    this.outcome = new Uint8Array(0);
    this.lanes = [];
    this.base = 0;
    this.tick = 1e-4;
    this.epoch = -1;
    this.derived = null;
  }

  // Takes in a message: all attempts, or those behind the ones that are here. Outcomes are sent whole each time.
  take({ head, columns, outcome }) {
    if (head.since === 0) { this.count = 0; this.columns = {}; }
    for (const [name, column] of Object.entries(columns)) this.columns[name] = joined(this.columns[name], this.count, column);
    this.count += head.count;
    Object.assign(this, { outcome, lanes: head.lanes, base: head.base, tick: head.tick, epoch: head.epoch ?? 0 });
    this.derived = null;
    return this;
  }

  start(place) { return this.columns.start[place] * this.tick; }
  seconds(place) { return this.columns.load[place] + this.columns.run[place]; }
  end(place) { return this.start(place) + this.seconds(place); }

  // First start and last end, in seconds after `base`.
  span() {
    if (this.derived?.span) return this.derived.span;
    let first = Infinity, last = 0;
    for (let place = 0; place < this.count; place += 1) {
      const start = this.start(place), end = this.end(place);
      if (start < first) first = start;
      if (end > last) last = end;
    }
    return this.keep("span", this.count ? [first, Math.max(last, first + 0.001)] : [0, 1]);
  }

  // For each mini-batch: tries, and seconds and lane of its last attempt.
  byMiniBatch() {
    if (this.derived?.by) return this.derived.by;
    const total = this.outcome.length;
    const by = { tries: new Uint8Array(total), seconds: new Float32Array(total), lane: new Uint16Array(total) };
    const { index, load, run, lane } = this.columns;
    for (let place = 0; place < this.count; place += 1) {
      const at = index[place];
      if (by.tries[at] < 255) by.tries[at] += 1;
      by.seconds[at] = load[place] + run[place];
      by.lane[at] = lane[place];
    }
    return this.keep("by", by);
  }

  placesOf(wanted) {
    const found = [], index = this.columns.index;
    for (let place = 0; place < this.count; place += 1) if (index[place] === wanted) found.push(place);
    return found;
  }

  keep(name, value) {
    this.derived = { ...this.derived, [name]: value };
    return value;
  }
}

// A column with room behind it, so that updates do not copy a million numbers each time.
function joined(old, count, more) {
  if (!old) return more;
  let whole = old;
  if (whole.length < count + more.length) {
    whole = new more.constructor(Math.max(1024, 2 * (count + more.length)));
    whole.set(old.subarray(0, count));
  }
  whole.set(more, count);
  return whole;
}

export function decodeWire(buffer) {
  const { head, at } = header(buffer);
  const columns = {};
  let place = at;
  for (const [name, type, width] of head.columns) {
    columns[name] = new KINDS[type](buffer, place, head.count);
    place += head.count * width;
  }
  return { head, columns, outcome: new Uint8Array(buffer, place, head.outcome) };
}

export function decodePacked(buffer) {
  const { head, at } = header(buffer);
  const bytes = new Uint8Array(buffer), columns = {}, n = head.count;
  let place = at;
  for (const [name, type, width, dropped, differences] of head.columns) {
    const raw = new Uint8Array(n * width);
    for (let plane = dropped; plane < width; plane += 1) {
      for (let k = 0; k < n; k += 1) raw[k * width + plane] = bytes[place + k];
      place += n;
    }
    const column = new KINDS[type](raw.buffer);
    if (differences) for (let k = 1; k < n; k += 1) column[k] += column[k - 1];
    columns[name] = column;
  }
  return { head, columns, outcome: bytes.slice(place, place + head.outcome) };
}

function header(buffer) {
  const bytes = new Uint8Array(buffer), end = bytes.indexOf(10);
  return { head: JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))), at: end + 1 };
}

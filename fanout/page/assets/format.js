// Numbers, times and places as people read them.

export function number(value) {
  return Math.round(value).toLocaleString("en-US");
}

export function duration(seconds) {
  if (!(seconds >= 0)) return "–";
  if (seconds < 5e-5) return "0 s";
  if (seconds < 0.0995) return `${(1000 * seconds).toPrecision(2)} ms`.replace("e+", "e");
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  const minutes = Math.floor(whole / 60);
  if (whole < 86400) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(whole / 86400)} d ${String(Math.floor(whole / 3600) % 24).padStart(2, "0")} h`;
}

export function moment(epoch) {
  if (!epoch) return "–";
  const at = new Date(1000 * epoch), two = (n) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (count >= 1024 && at < units.length - 1) { count /= 1024; at += 1; }
  return `${at && count < 9.95 ? count.toFixed(1) : Math.round(count)} ${units[at]}`;
}

export function percent(part, whole) {
  if (!whole) return "–";
  const value = (100 * part) / whole;
  return `${value > 0 && value < 1 ? "<1" : Math.round(value)} %`;
}

export function many(count, one, several) {
  return `${number(count)} ${count === 1 ? one : several ?? `${one}s`}`;
}

export const miniBatches = (count) => many(count, "mini-batch", "mini-batches");

// Which tone a verdict or state has; words say the same, so that colour is never needed.
export function tone(words) {
  if (/^Completed with/.test(words)) return "warn";
  if (/^Completed/.test(words)) return "good";
  if (/^Failed/.test(words)) return "bad";
  if (/^Canceled|did not run/.test(words)) return "off";
  if (/^Running|under way/.test(words)) return "busy";
  return "off";
}

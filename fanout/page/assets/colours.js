// Colours on canvases, from the style sheet, so that light and dark mode have their own. No two differ by hue alone.

const NAMES = ["open", "succeeded", "failed", "dead", "canceled", "short", "partly", "again"];
const STATUS = ["succeeded", "again", "partly", "failed", "dead", "short"];

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim() || "#888888";
  return { of, outcomes: NAMES.map(of), statuses: STATUS.map(of), running: of("running"), ink: of("ink"), paper: of("panel"), line: of("rule"), load: of("load") };
}

// 0xAABBGGRR, as the pixels of a canvas are in memory.
export function pixel(hex) {
  const value = parseInt(hex.replace("#", ""), 16);
  return ((255 << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

// Seven steps from quick to slow, readable by colour-blind people (of the map "cividis").
export const SCALE = ["#00306f", "#39486b", "#5d616e", "#7c7b78", "#9e9677", "#c3b369", "#ead357"];
export const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999933", "#882255", "#44aa99", "#aa7744"];

// What both canvases share: a canvas as wide as its place, sharp on every screen, a tip beside the pointer.
import { h } from "../dom.js";

export function canvasBox(label, height) {
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "chart", "aria-label": label });
  const tip = h("div", { class: "tip", hidden: true });
  const words = h("p", { class: "quiet", "aria-live": "polite" });
  const box = h("div", { class: "canvas" }, canvas, tip);
  const fit = () => {
    const ratio = Math.min(2, window.devicePixelRatio || 1), width = Math.max(200, box.clientWidth || 800);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height() * ratio);
    canvas.style.setProperty("height", `${height()}px`);
    return { ratio, width, height: height() };
  };
  const show = (text, x, y) => {
    tip.hidden = !text;
    tip.textContent = text ?? "";
    tip.style.setProperty("left", `${Math.max(0, Math.min(x + 14, box.clientWidth - tip.offsetWidth - 4))}px`);
    tip.style.setProperty("top", `${Math.max(0, y + 16)}px`);
  };
  const at = (event) => { const where = canvas.getBoundingClientRect(); return [event.clientX - where.left, event.clientY - where.top]; };
  canvas.addEventListener("pointerleave", () => show(null));
  return { canvas, box, words, fit, show, at };
}

// Drags with the pointer: `moved(dx, dy)` since the last event; a press that did not move is a click.
export function draggable(canvas, at, moved, clicked) {
  let last = null, far = 0;
  canvas.addEventListener("pointerdown", (event) => { last = at(event); far = 0; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const now = at(event);
    far += Math.abs(now[0] - last[0]) + Math.abs(now[1] - last[1]);
    if (far > 4) moved(now[0] - last[0], now[1] - last[1]);
    last = now;
  });
  canvas.addEventListener("pointerup", (event) => { if (last && far <= 4) clicked(...at(event)); last = null; });
  canvas.addEventListener("pointercancel", () => { last = null; });
}

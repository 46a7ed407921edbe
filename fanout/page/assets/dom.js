// Elements from values. Text of users goes through textContent and attributes only; nothing is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";
const LISTENER = /^on[A-Z]/;

function make(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (LISTENER.test(name)) element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "css") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "class") element.setAttribute("class", value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export function h(tag, props, ...children) {
  return make(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
  return make(document.createElementNS(SVG, tag), props, children);
}

export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

export function table(heads, rows, caption) {
  const numeric = (at) => rows.length > 0 && rows.every((row) => /^[\d.,<\s%–-]*( (ms|s|min|h|d|KiB|MiB|GiB|B))*$/.test(textOf(row[at])));
  const classes = heads.map((_, at) => (numeric(at) ? "number" : undefined));
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": caption ?? "table" },
    h("table", {},
      caption && h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head, at) => h("th", { scope: "col", class: classes[at] }, head)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, at) => h("td", { class: classes[at] }, cell)))))));
}

function textOf(cell) {
  return cell instanceof Node ? cell.textContent : String(cell ?? "");
}

export function copyable(command) {
  const button = h("button", { class: "copy", type: "button", onClick: () => {
    navigator.clipboard?.writeText(command).then(() => { button.textContent = "copied"; }, () => {});
  } }, "copy");
  return h("div", { class: "command" }, h("code", { tabindex: 0 }, command), button);
}

export function section(title, ...children) {
  return h("section", { class: "panel" }, h("h2", {}, title), children);
}

export function note(...words) {
  return h("p", { class: "quiet" }, words);
}

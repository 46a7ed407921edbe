// View 11: outputs, and the logs by Azure's names: job_result.txt open, the end of any file, search in all of them.
import { h, note, replace, section } from "../dom.js";
import { bytes, number } from "../format.js";

const FIRST = ["job_result.txt", "job_error.txt", "user/error.txt", "user_logs/std_log.txt", "readme.txt"];

export async function logsView(ctx) {
  const { page, step, memory, source } = ctx;
  const files = await source.logs(page.run, ctx.round, step.name);
  const names = files.map((file) => file.name), place = h("div"), hits = h("div");
  const wanted = ctx.params.get("file") ?? memory.file ?? FIRST.find((name) => names.includes(name) && files.find((file) => file.name === name).size > 0) ?? names[0];

  async function open(name) {
    memory.file = name;
    const found = name && (await source.log(page.run, ctx.round, step.name, name).catch(() => null));
    const download = source.live && name && h("a", { href: `api/download?${new URLSearchParams({ run: page.run, ...(ctx.round ? { round: ctx.round } : {}), step: step.name, name })}`, download: name.replaceAll("/", "-") }, "download");
    replace(place, h("h3", { class: "mono" }, name ?? ""), found ? [note(`${bytes(found.size)}${found.start ? `; the last ${bytes(found.size - found.start)} of it` : ""} `, download), h("pre", { tabindex: 0, "aria-label": name }, found.text || "(empty)")] : note(source.live ? "There is nothing to show." : "The text of this file is not in this report."));
    const text = place.querySelector("pre");
    if (text && found.start) text.scrollTop = text.scrollHeight;
  }

  const search = h("form", { class: "bar-row", role: "search", onSubmit: async (event) => {
    event.preventDefault();
    const text = String(new FormData(event.target).get("text"));
    const found = text ? await source.search(page.run, ctx.round, step.name, text) : [];
    replace(hits, note(`${number(found.length)} lines`), h("ul", { class: "tree" }, found.map((hit) => h("li", {}, h("button", { type: "button", onClick: () => open(hit.name) }, `${hit.name}:${hit.line}`), " ", h("code", {}, hit.text)))));
  } }, h("label", {}, "Search in all logs", h("input", { name: "text", type: "search" })), h("button", { type: "submit" }, "Search"));
  const tree = h("ul", { class: "tree" }, files.map((file) => h("li", {}, h("button", { type: "button", onClick: () => open(file.name) }, file.name), " ", h("span", { class: "quiet" }, bytes(file.size)))));
  const outputs = Object.entries(step.outputs);
  await open(wanted);
  return { element: h("div", { class: "panels" },
    section(`Outputs of ${step.name}`, outputs.length ? outputs.map(([name, uri]) => h("p", {}, h("strong", {}, name), " ", h("code", {}, uri))) : note("None yet: a step has outputs when it is Completed.")),
    section("Logs", search, hits, h("div", { class: "split" }, files.length ? tree : note("Nothing was written yet."), place))), update: () => open(memory.file) };
}

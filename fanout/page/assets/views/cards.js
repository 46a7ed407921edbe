// View 14: what the script left with EntryScript().card(...): HTML in a frame that may run nothing, or text.
import { h, note, section } from "../dom.js";

const FOLDER = /^user\/cards\//;

export async function cardsView(ctx) {
  const { page, step, source } = ctx;
  const files = (await source.logs(page.run, ctx.round, step.name)).filter((file) => FOLDER.test(file.name));
  if (!files.length) return section("Cards", note("The script left none. EntryScript().card(name, html) in an entry script leaves one."));
  const cards = await Promise.all(files.slice(0, 50).map(async (file) => [file.name, await source.log(page.run, ctx.round, step.name, file.name).catch(() => null)]));
  return h("div", { class: "panels" }, cards.map(([name, found]) => section(name.replace(FOLDER, ""), found === null ? note("Not in this report.")
    : name.endsWith(".html") ? h("iframe", { sandbox: "", srcdoc: found.text, title: name }) : h("pre", { tabindex: 0 }, found.text))));
}

// View 13: what changes the run; only where the server was started with --allow-actions.
import { h, note, section } from "../dom.js";

export function actionsView(ctx) {
  const { page, source } = ctx, said = h("p", { role: "status" });
  if (!ctx.actions) return section("Actions", note("This page only looks. fanout ui --allow-actions lets it cancel and redrive runs."));
  const act = async (action, question) => {
    if (!window.confirm(question)) return;
    try {
      said.textContent = (await source.act(page.run, action, {})).said;
      ctx.refresh();
    } catch (error) { said.textContent = String(error.message ?? error); }
  };
  return section("Actions",
    page.over ? [h("p", {}, "Run again what did not succeed, in another round of this run. Results that are there stay."), h("button", { type: "button", onClick: () => act("redrive", `Run again what did not succeed in ${page.run}?`) }, "Redrive")]
      : [h("p", {}, "End the run for good. Results that are there stay; a redrive can go on from them."), h("button", { type: "button", class: "danger", onClick: () => act("cancel", `Cancel ${page.run}?`) }, "Cancel the run")], said);
}

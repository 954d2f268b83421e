/** The sessions that can be followed as nets. */

import { get } from "../core/api.js";
import { find, h } from "../core/dom.js";
import { moment, t } from "../core/i18n.js";

const MOST = 12;

/**
 * List them, with those chosen that the address names.
 * @param {string[]} chosen
 * @param {Map<string, string>} titles filled with theirs
 * @param {(chosen: string[]) => void} onChange
 */
export async function listNets(chosen, titles, onChange) {
  find("#nets", HTMLDetailsElement).open = chosen.length === 0;
  const { sessions } = await get("/v1/sessions?limit=50");
  for (const one of sessions) titles.set(one.session, one.title || one.session);
  const toggle = (/** @type {string} */ session, /** @type {boolean} */ wanted) => {
    const rest = chosen.filter((one) => one !== session);
    chosen = wanted ? [...rest, session].slice(-MOST) : rest;
    const address = new URL(location.href);
    if (chosen.length) address.searchParams.set("sessions", chosen.join(","));
    else address.searchParams.delete("sessions");
    history.replaceState(null, "", address);
    onChange(chosen);
  };
  const entry = (/** @type {any} */ one) => choice(one, chosen.includes(one.session), toggle);
  find("#nets-list", HTMLElement).replaceChildren(
    sessions.length
      ? h("ul", { class: "nets__list", role: "list" }, ...sessions.map(entry))
      : h("p", { class: "hint" }, t("radio.nets.none")),
  );
}

/**
 * @param {any} session
 * @param {boolean} checked
 * @param {(session: string, wanted: boolean) => void} toggle
 */
function choice(session, checked, toggle) {
  const box = h("input", { type: "checkbox", checked, onchange: () => toggle(session.session, box.checked) });
  const live = h("span", { class: "badge badge--bad nets__live" }, h("span", { class: "dot" }), t("sessions.state.open"));
  return h(
    "li",
    {},
    h(
      "label",
      { class: "choice" },
      box,
      h(
        "span",
        {},
        session.title || session.session,
        h("span", { class: "hint" }, ` · ${moment(session.created_at_ms)}`),
        session.state === "finished" ? null : live,
      ),
    ),
  );
}

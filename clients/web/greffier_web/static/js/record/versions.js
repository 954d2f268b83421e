/** Minutes that were written anew: earlier versions can be read beside the newest one. */

import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { moment, t } from "../core/i18n.js";

/**
 * @typedef {import("./minutes.js").Minutes & {at_ms: number, second_pass: boolean}} Version
 */

/**
 * A choice of versions; null for minutes that were written once.
 * @param {string} api address of the session
 * @param {number} newest
 * @param {(version: Version | null) => void} show null = the newest, which can be worked on
 * @param {(error: unknown) => void} fail
 */
export function versionSelect(api, newest, show, fail) {
  if (newest < 2) return null;
  /** @type {Version[]} */
  let versions = [];
  const select = h("select", {
    class: "select select--small",
    "aria-label": t("minutes.version"),
    onchange: () => {
      const chosen = versions.find((one) => one.version === Number(select.value));
      show(chosen && chosen.version < newest ? chosen : null);
    },
  });
  select.append(h("option", { value: newest }, t("minutes.version.newest", { version: newest })));
  void fill();
  return select;

  async function fill() {
    try {
      versions = (await get(`${api}/minutes/versions`)).versions;
    } catch (error) {
      fail(error);
      return;
    }
    const options = versions.toReversed().map((one) => {
      const key = one.version === newest ? "minutes.version.newest" : "minutes.version.earlier";
      const pass = one.second_pass ? ` (${t("record.second-pass")})` : "";
      return h("option", { value: one.version }, t(key, { version: one.version, at: moment(one.at_ms) }) + pass);
    });
    select.replaceChildren(...options);
  }
}

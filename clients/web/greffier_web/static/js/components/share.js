/** A dialog that makes links (and QR codes) by which people watch without a token, and ends them. */

import { ApiError, get, post, remove } from "../core/api.js";
import { h, icon } from "../core/dom.js";
import { languageName, moment, t } from "../core/i18n.js";

/**
 * @typedef {object} LinkBody
 * @property {string} id
 * @property {string[] | null} languages
 * @property {number} created_at_ms
 * @property {number} expires_at_ms
 * @property {number | null} revoked_at_ms
 *
 * @typedef {LinkBody & { url: string, qr: { size: number, path: string } }} NewLink
 */

const HOURS = { day: 24, week: 168, month: 744 };

/**
 * Open the dialog; it removes itself when it is closed.
 * @param {string} session
 * @param {readonly string[]} translations that the session has
 */
export async function openShare(session, translations) {
  const path = `/v1/sessions/${encodeURIComponent(session)}/links`;
  const made = h("div", { class: "share__made" });
  const list = h("ul", { class: "share__list" });
  const problem = h("p", { class: "notice notice--bad", role: "alert", hidden: true });
  const lasts = h(
    "select",
    { class: "select", id: "share-lasts" },
    ...Object.entries(HOURS).map(([key, hours]) => h("option", { value: hours }, t(`share.lasts.${key}`))),
  );
  const closer = h("button", { class: "button button--quiet button--icon", type: "button", "aria-label": t("common.close") }, icon("close"));
  const maker = h("button", { class: "button" }, icon("link"), t("share.make"));
  const boxes = translations.map((code) =>
    h("label", { class: "choice" }, h("input", { type: "checkbox", value: code, checked: true }), languageName(code)),
  );
  const form = h(
    "form",
    { class: "share__form" },
    h("div", { class: "field" }, h("label", { for: "share-lasts" }, t("share.lasts")), lasts),
    boxes.length > 0 && h("fieldset", { class: "field" }, h("legend", {}, t("share.languages")), h("div", { class: "row" }, ...boxes)),
    maker,
  );
  const dialog = h(
    "dialog",
    { class: "dialog share", "aria-labelledby": "share-title" },
    h("div", { class: "dialog__head" }, h("h2", { id: "share-title" }, t("share.title")), closer),
    h("div", { class: "stack" }, h("p", { class: "hint" }, t("share.hint")), problem, form, made, list),
  );

  /** @param {() => Promise<void>} work */
  const attempt = async (work) => {
    problem.hidden = true;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = error.message;
      problem.hidden = false;
    }
  };
  const refresh = async () => {
    /** @type {{ links: LinkBody[] }} */
    const { links } = await get(path);
    const now = Date.now();
    const open = links.filter((link) => link.revoked_at_ms === null && link.expires_at_ms > now);
    list.replaceChildren(...open.map((link) => entry(link)));
  };
  /** @param {LinkBody} link */
  const entry = (link) => {
    const shown = link.languages === null ? t("share.every-language") : [t("share.original"), ...link.languages.map(languageName)].join(", ");
    const revoke = h("button", { class: "button button--quiet button--small", type: "button" }, t("share.revoke"));
    revoke.onclick = () =>
      attempt(async () => {
        await remove(`${path}/${link.id}`);
        if (made.dataset.link === link.id) made.replaceChildren();
        await refresh();
        closer.focus();
      });
    const until = t("share.until", { made: moment(link.created_at_ms), until: moment(link.expires_at_ms) });
    return h("li", { class: "share__entry" }, h("span", {}, h("span", {}, shown), h("span", { class: "hint" }, until)), revoke);
  };

  form.onsubmit = (event) => {
    event.preventDefault();
    const chosen = boxes.map((box) => box.querySelector("input")).filter((box) => box?.checked);
    const all = chosen.length === boxes.length;
    void attempt(async () => {
      /** @type {NewLink} */
      const link = await post(path, {
        hours: Number(lasts.value),
        languages: all ? null : chosen.map((box) => box?.value),
        origin: location.origin,
      });
      made.dataset.link = link.id;
      made.replaceChildren(qrCode(link.qr), address(link.url));
      await refresh();
    });
  };
  closer.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
  await attempt(refresh);
}

/** @param {string} url */
function address(url) {
  const field = h("input", { class: "input", readonly: true, value: url, "aria-label": t("share.address") });
  field.onfocus = () => field.select();
  const copy = h("button", { class: "button button--quiet", type: "button" }, t("common.copy"));
  copy.onclick = async () => {
    field.select();
    if (navigator.clipboard) await navigator.clipboard.writeText(url).catch(() => document.execCommand("copy"));
    else document.execCommand("copy"); // no clipboard outside https
    copy.textContent = t("common.copied");
  };
  return h("div", { class: "share__address" }, field, copy);
}

/** @param {{ size: number, path: string }} code */
function qrCode({ size, path }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("class", "share__code");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", t("share.code"));
  svg.setAttribute("shape-rendering", "crispEdges");
  const dark = document.createElementNS("http://www.w3.org/2000/svg", "path");
  dark.setAttribute("d", path);
  svg.append(dark);
  return svg;
}

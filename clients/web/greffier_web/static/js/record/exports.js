/** What can be taken away from a session: documents of each kind, captions, and what machines read. */

import { h } from "../core/dom.js";
import { languageName, t } from "../core/i18n.js";

/** Kinds of documents; those from `FREE_FROM` on need no minutes. */
const KINDS = [
  "compte-rendu",
  "proces-verbal",
  "releve-de-decisions",
  "summary",
  "email",
  "sitrep",
  "main-courante",
  "digest",
  "transcript",
];
const FREE_FROM = KINDS.indexOf("main-courante");
const FORMATS = ["docx", "pdf", "html", "md", "txt"];
const CAPTIONS = [
  ["srt", "SubRip"],
  ["vtt", "WebVTT"],
  ["txt", ""],
  ["ttml", "TTML"],
  ["ass", "ASS"],
  ["json", "JSON"],
];

/**
 * @param {string} api address of the session
 * @param {string} name of files that have no name of their own
 * @param {{minutes: unknown, translate_to: string[]}} record
 */
export function exportsMenu(api, name, record) {
  const menu = h(
    "details",
    {
      class: "menu-button",
      onkeydown: (event) => {
        if (event.key !== "Escape") return;
        menu.open = false;
        menu.querySelector("summary")?.focus();
      },
      onfocusout: (event) => {
        if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
      },
    },
    h("summary", { class: "button button--small button--quiet" }, t("record.export")),
    h(
      "div",
      { class: "exports" },
      documents(api, name, record.minutes !== null),
      captions(api, name, record.translate_to),
      h(
        "section",
        { class: "exports__part" },
        h("h2", {}, t("export.data")),
        link(`${api}/captions?format=txt&corrections=false`, t("record.export.original"), `${name}.original.txt`),
        link(`${api}/training`, t("record.export.training"), `${name}.jsonl`),
      ),
    ),
  );
  return menu;
}

/**
 * @param {string} api
 * @param {string} name
 * @param {boolean} written whether there are minutes
 */
function documents(api, name, written) {
  const kind = h(
    "select",
    { class: "select", id: "export-kind", onchange: choose },
    ...KINDS.map((one, index) =>
      h("option", { value: one, disabled: !written && index < FREE_FROM }, t(`export.kind.${one}`)),
    ),
  );
  const format = h("select", { class: "select", id: "export-format", onchange: choose });
  const taken = h("a", { class: "button button--small" }, t("export.download"));
  kind.value = KINDS[written ? 0 : KINDS.length - 1] ?? "";
  choose();
  return h(
    "section",
    { class: "exports__part" },
    h("h2", {}, t("export.document")),
    h("div", { class: "field" }, h("label", { for: kind.id }, t("export.kind")), kind),
    h("div", { class: "field" }, h("label", { for: format.id }, t("export.format")), format),
    written ? null : h("p", { class: "hint" }, t("export.unwritten")),
    taken,
  );
  function choose() {
    const before = format.value;
    // A table is made of the radio log alone.
    const offered = kind.value === "main-courante" ? [...FORMATS, "csv"] : FORMATS;
    format.replaceChildren(...offered.map((one) => h("option", { value: one }, t(`export.format.${one}`))));
    format.value = offered.includes(before) ? before : (offered[0] ?? "");
    taken.href = `${api}/minutes?format=${format.value}&kind=${kind.value}`;
    taken.download = `${name}-${kind.value}.${format.value}`;
  }
}

/**
 * @param {string} api
 * @param {string} name
 * @param {string[]} translated
 */
function captions(api, name, translated) {
  const languages = ["", ...new Set(translated)];
  return h(
    "section",
    { class: "exports__part" },
    h("h2", {}, t("export.captions")),
    ...languages.map((code) => {
      const path = code ? `translations/${encodeURIComponent(code)}` : "captions";
      const said = code ? languageName(code) : t("export.spoken");
      return h(
        "p",
        { class: "exports__row" },
        h("span", { class: "exports__name" }, said),
        h("span", { class: "exports__links" }, ...CAPTIONS.map(([ending = "", label]) =>
          h(
            "a",
            {
              href: `${api}/${path}?format=${ending}`,
              download: `${name}${code && `.${code}`}.${ending}`,
              "aria-label": `${said}, ${label || t("record.export.txt")}`,
            },
            label || t("record.export.txt"),
          ),
        )),
      );
    }),
  );
}

/** @param {string} href @param {string} label @param {string} download */
function link(href, label, download) {
  return h("p", {}, h("a", { href, download }, label));
}

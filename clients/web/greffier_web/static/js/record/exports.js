/** What can be taken away from a session: documents of each kind, captions, and what machines read. */

import { h } from "../core/dom.js";
import { languageName, t } from "../core/i18n.js";

/**
 * What there is to take away.
 * @typedef {object} Written
 * @property {{language: string} | null} minutes
 * @property {string} language of the session
 * @property {string[]} translate_to
 */

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
 * @param {Written} record
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
      documents(api, name, record),
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
 * A document: which kind, in which language and format, with what on its pages.
 * @param {string} api
 * @param {string} name
 * @param {Written} record
 */
function documents(api, name, { minutes, language: spoken, translate_to }) {
  const written = minutes !== null;
  const kind = h(
    "select",
    { class: "select", id: "export-kind", onchange: choose },
    ...KINDS.map((one, index) =>
      h("option", { value: one, disabled: !written && index < FREE_FROM }, t(`export.kind.${one}`)),
    ),
  );
  const language = h("select", { class: "select", id: "export-language", onchange: choose });
  const format = h("select", { class: "select", id: "export-format", onchange: choose });
  const marking = h("input", { class: "input", id: "export-marking", maxlength: 80, autocomplete: "off", oninput: choose });
  const sources = h("input", { type: "checkbox", onchange: choose });
  const resting = h("label", { class: "choice" }, sources, t("export.sources"));
  const taken = h("a", { class: "button button--small" }, t("export.download"));
  kind.value = KINDS[written ? 0 : KINDS.length - 1] ?? "";
  choose();
  return h(
    "section",
    { class: "exports__part" },
    h("h2", {}, t("export.document")),
    field(t("export.kind"), kind),
    h("div", { class: "pair" }, field(t("export.language"), language), field(t("export.format"), format)),
    field(t("export.marking"), marking),
    resting,
    written ? null : h("p", { class: "hint" }, t("export.unwritten")),
    taken,
  );
  function choose() {
    const free = KINDS.indexOf(kind.value) >= FREE_FROM;
    // Minutes are in the language they were written in; what was said, in any it was translated into.
    const languages = free ? ["", ...new Set([spoken, ...translate_to])].filter((one) => one !== "auto") : [minutes?.language ?? ""];
    offer(language, languages, (code) => (code ? languageName(code) : t("export.language.own")));
    // A table is made of the radio log alone.
    const formats = kind.value === "main-courante" ? [...FORMATS, "csv"] : FORMATS;
    offer(format, formats, (one) => t(`export.format.${one}`));
    resting.hidden = free;
    const query = new URLSearchParams({ format: format.value, kind: kind.value });
    if (language.value) query.set("language", language.value);
    if (marking.value.trim()) query.set("marking", marking.value.trim());
    if (sources.checked && !free) query.set("sources", "true");
    taken.href = `${api}/minutes?${query}`;
    taken.download = `${name}-${kind.value}.${format.value}`;
  }
}

/** @param {string} label @param {HTMLElement} control */
function field(label, control) {
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

/**
 * Offer these; what was chosen stays chosen where it still is among them.
 * @param {HTMLSelectElement} select
 * @param {string[]} values
 * @param {(value: string) => string} told
 */
function offer(select, values, told) {
  const before = select.value;
  select.replaceChildren(...values.map((value) => h("option", { value }, told(value))));
  select.value = values.includes(before) ? before : (values[0] ?? "");
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

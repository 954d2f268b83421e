/** The console: every session, search in all that was said, the server's state, figures of use. */

import { get } from "../core/api.js";
import { find, h } from "../core/dom.js";
import { clock, direction, languageName, moment, t } from "../core/i18n.js";
import { marked } from "../console/marked.js";
import { models, server } from "../console/server.js";
import { feedback, usage } from "../console/usage.js";

const PAGE = 50;
const LIST_MS = 10_000;

const form = find("#search", HTMLFormElement);
const words = find("#q", HTMLInputElement);
const found = find("#found", HTMLElement);
const status = find("#status", HTMLElement);
const heading = find("#found-heading", HTMLElement);

const language = h(
  "select",
  { class: "select select--small", id: "language" },
  h("option", { value: "" }, t("sessions.language.any")),
  ...["fr", "en", "de", "es", "it", "ar"].map((code) => h("option", { value: code }, languageName(code))),
);
const from = h("input", { class: "input input--small", type: "date", id: "from" });
const to = h("input", { class: "input input--small", type: "date", id: "to" });
find("#filters", HTMLElement).append(
  labelled(t("sessions.language"), language),
  labelled(t("sessions.from"), from),
  labelled(t("sessions.to"), to),
);

let turn = 0;
/** @type {number | undefined} */
let listing;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const address = new URL(location.href);
  for (const [name, value] of asked()) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  history.pushState(null, "", address);
  void show();
});
for (const filter of [language, from, to]) {
  filter.addEventListener("change", () => form.requestSubmit());
}
words.addEventListener("search", () => {
  if (words.value === "") form.requestSubmit();
});
addEventListener("popstate", restore);

restore();
void server();
void models();
void usage();
feedback(fail);

/** @returns {[string, string][]} */
function asked() {
  return [
    ["q", words.value.trim()],
    ["language", language.value],
    ["from", from.value],
    ["to", to.value],
  ];
}

function restore() {
  const given = new URLSearchParams(location.search);
  words.value = given.get("q") ?? "";
  language.value = given.get("language") ?? "";
  from.value = given.get("from") ?? "";
  to.value = given.get("to") ?? "";
  void show();
}

function show() {
  clearTimeout(listing);
  turn += 1;
  return words.value.trim() ? search(turn) : list(turn);
}

// --- search -----------------------------------------------------------------------------------

/** @param {number} mine */
async function search(mine) {
  heading.textContent = `« ${words.value.trim()} »`;
  found.replaceChildren();
  await page(mine, 0, null);
}

/**
 * @param {number} mine
 * @param {number} offset
 * @param {HTMLElement | null} place
 */
async function page(mine, offset, place) {
  const query = new URLSearchParams({ q: words.value, limit: String(PAGE), offset: String(offset) });
  if (language.value) query.set("language", language.value);
  if (from.value) query.set("from", String(new Date(`${from.value}T00:00`).getTime()));
  if (to.value) query.set("to", String(new Date(`${to.value}T00:00`).getTime() + 86_400_000));
  let answer;
  try {
    answer = await get(`/v1/search?${query}`);
  } catch (error) {
    if (mine === turn) fail(error);
    return;
  }
  if (mine !== turn) return;
  const count = offset + answer.hits.length;
  const says = [
    count ? t(answer.more ? "sessions.results.more" : "sessions.results", { count }) : t("sessions.none"),
  ];
  if (answer.pending) says.push(t("sessions.pending", { count: answer.pending }));
  status.textContent = says.join(" ");
  const list = place ?? h("ol", { class: "hits", role: "list" });
  let last = list.lastElementChild?.getAttribute("data-session") ?? "";
  for (const hit of answer.hits) {
    list.append(entry(hit, hit.session !== last));
    last = hit.session;
  }
  if (!place) found.replaceChildren(list);
  found.querySelector(".hits__more")?.remove();
  if (answer.more) {
    found.append(
      h(
        "button",
        { class: "button button--quiet hits__more", type: "button", onclick: () => void page(mine, count, list) },
        t("sessions.more"),
      ),
    );
  }
}

/** @param {any} hit @param {boolean} first of its session */
function entry(hit, first) {
  const address = `/sessions/${encodeURIComponent(hit.session)}${hit.start_ms ? `?t=${hit.start_ms}` : ""}`;
  return h(
    "li",
    { class: `hit${first ? " hit--first" : ""}`, "data-session": hit.session },
    first
      ? h(
          "p",
          { class: "hit__session" },
          h("strong", {}, hit.title || t("sessions.untitled")),
          ` · ${moment(hit.created_at_ms)}`,
        )
      : null,
    h(
      "a",
      { class: "hit__link", href: address },
      h("span", { class: "hit__time number" }, hit.kind === "title" ? "" : clock(hit.start_ms)),
      h(
        "span",
        { class: "hit__text", lang: hit.language || null, dir: hit.language ? direction(hit.language) : null },
        ...marked(hit.text, hit.highlights),
      ),
      h("span", { class: "badge" }, kindOf(hit)),
    ),
  );
}

/** @param {any} hit */
function kindOf(hit) {
  const kind = t(`sessions.kind.${hit.kind}`);
  return hit.kind === "translation" ? `${kind} · ${hit.language}` : kind;
}

// --- the list ---------------------------------------------------------------------------------

/** @param {number} mine */
async function list(mine) {
  heading.textContent = t("sessions.list");
  status.textContent = "";
  let answer;
  try {
    answer = await get(`/v1/sessions?limit=${PAGE}${before()}`);
  } catch (error) {
    if (mine === turn) fail(error);
    return;
  }
  if (mine !== turn) return;
  const sessions = answer.sessions.filter(within);
  if (!sessions.length) {
    found.replaceChildren(h("p", { class: "hint" }, t("sessions.empty")));
  } else {
    const body = h("tbody", {}, ...sessions.map(row));
    found.replaceChildren(
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          { class: "table sessions-table" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ...["title", "date", "length", "language", "state"].map((name) =>
                h("th", { scope: "col" }, t(`sessions.col.${name}`)),
              ),
            ),
          ),
          body,
        ),
      ),
    );
    more(mine, answer.next_before_ms, body);
  }
  if (sessions.some((/** @type {any} */ one) => one.state !== "finished")) {
    listing = window.setTimeout(() => {
      if (mine === turn && !found.contains(document.activeElement)) void list(mine);
    }, LIST_MS);
  }
}

/** @param {number} mine @param {number | null} next @param {HTMLElement} body */
function more(mine, next, body) {
  found.querySelector(".hits__more")?.remove();
  if (next === null) return;
  const fetchMore = async () => {
    try {
      const answer = await get(`/v1/sessions?limit=${PAGE}&before_ms=${next}`);
      if (mine !== turn) return;
      body.append(...answer.sessions.filter(within).map(row));
      more(mine, answer.next_before_ms, body);
    } catch (error) {
      fail(error);
    }
  };
  found.append(
    h("button", { class: "button button--quiet hits__more", type: "button", onclick: () => void fetchMore() }, t("sessions.more")),
  );
}

function before() {
  return to.value ? `&before_ms=${new Date(`${to.value}T00:00`).getTime() + 86_400_000}` : "";
}

/** @param {any} session */
function within(session) {
  if (from.value && session.created_at_ms < new Date(`${from.value}T00:00`).getTime()) return false;
  return !language.value || [session.language, ...session.translate_to].includes(language.value);
}

/** @param {any} one */
function row(one) {
  const live = one.state !== "finished";
  return h(
    "tr",
    {},
    h(
      "th",
      { scope: "row", class: "sessions-table__title" },
      h("a", { href: `/sessions/${encodeURIComponent(one.session)}` }, one.title || t("sessions.untitled")),
    ),
    h("td", { class: "number" }, moment(one.created_at_ms)),
    h("td", { class: "number" }, clock(one.duration_ms)),
    h("td", {}, [one.language || "?", ...one.translate_to].join(" → ")),
    h(
      "td",
      {},
      h("span", { class: `badge${live ? " badge--bad" : ""}` }, live ? h("span", { class: "dot" }) : null, t(`sessions.state.${one.state}`)),
    ),
  );
}

/** @param {string} label @param {HTMLElement} control */
function labelled(label, control) {
  return h("div", { class: "filter" }, h("label", { for: control.id, class: "hint" }, label), control);
}

/** @param {unknown} error */
function fail(error) {
  found.replaceChildren(h("p", { class: "notice notice--bad", role: "alert" }, messageOf(error)));
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

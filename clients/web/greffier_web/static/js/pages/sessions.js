/** The console: every session, search in all that was said, the server's state, figures of use. */

import { ApiError, get, post } from "../core/api.js";
import { find, h } from "../core/dom.js";
import { clock, direction, has, languageName, moment, number, t } from "../core/i18n.js";
import { chart } from "../console/chart.js";
import { marked } from "../console/marked.js";

const PAGE = 50;
const PULSE_MS = 5_000;
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
feedback();

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

// --- the server -------------------------------------------------------------------------------

async function server() {
  const place = find("#server", HTMLElement);
  try {
    const pulse = await get("/v1/pulse");
    const samples = pulse.samples;
    const mb = (/** @type {number} */ bytes) =>
      `${number(bytes / 1_048_576, { maximumFractionDigits: 0 })} MiB`;
    place.replaceChildren(
      chart(t("sessions.chart.sessions"), samples.map((/** @type {any} */ one) => one.sessions), (value) => number(value), 2),
      chart(
        t("sessions.chart.lag"),
        samples.map((/** @type {any} */ one) => one.lag_ms),
        (value) => `${number(value / 1000, { maximumFractionDigits: 1 })} s`,
        2000,
      ),
      chart(
        t("sessions.chart.load"),
        samples.map((/** @type {any} */ one) => one.load),
        (value) => number(value, { style: "percent" }),
        1,
      ),
      chart(
        t("sessions.chart.memory"),
        samples.map((/** @type {any} */ one) => one.memory_bytes),
        mb,
        pulse.samples.at(-1)?.memory_bytes * 1.5 || 1,
      ),
    );
  } catch (error) {
    if (error instanceof ApiError && !error.retryable) {
      place.replaceChildren(h("p", { class: "hint" }, error.message));
      return;
    }
  }
  setTimeout(server, PULSE_MS);
}

async function models() {
  const place = find("#models", HTMLElement);
  try {
    const { models: known, ready, reason } = await get("/v1/models");
    place.replaceChildren(
      h("p", { class: `notice notice--${ready ? "good" : "warn"} models__ready` }, ready ? t("sessions.ready") : reason),
      known.length
        ? h("ul", { class: "models", role: "list" }, ...known.map(model))
        : h("p", { class: "hint" }, t("sessions.models.none")),
    );
  } catch (error) {
    place.replaceChildren(h("p", { class: "hint" }, messageOf(error)));
  }
}

/** @param {any} one */
function model(one) {
  const kind = { loaded: "good", loading: "warn", failed: "bad", missing: "warn" }[/** @type {string} */ (one.state)];
  return h(
    "li",
    {},
    h(
      "p",
      { class: "models__line" },
      h("strong", {}, one.name),
      h("span", { class: `badge${kind ? ` badge--${kind}` : ""}` }, t(`sessions.model.${one.state}`)),
    ),
    h(
      "p",
      { class: "hint" },
      [has(`sessions.role.${one.role}`) ? t(`sessions.role.${one.role}`) : one.role, one.engine, one.settings]
        .filter(Boolean)
        .join(" · "),
    ),
    one.digest
      ? h(
          "details",
          {},
          h("summary", { class: "hint" }, `${t("sessions.digest")} ${one.digest.slice(0, 12)}…`),
          h("code", { class: "models__digest" }, one.digest),
        )
      : null,
  );
}

// --- use --------------------------------------------------------------------------------------

async function usage() {
  const place = find("#usage", HTMLElement);
  try {
    const figures = await get("/v1/usage");
    const mean = figures.satisfaction.mean;
    /** @type {[string, string][]} */
    const listed = [
      [number(figures.sessions), t("sessions.usage.sessions")],
      [number(figures.hours, { maximumFractionDigits: 1 }), t("sessions.usage.hours")],
      [number(figures.words), t("sessions.usage.words")],
      [number(figures.corrections), t("sessions.usage.corrections")],
      [mean === null ? "–" : number(mean, { maximumFractionDigits: 1 }), t("sessions.usage.satisfaction")],
    ];
    place.replaceChildren(
      h(
        "dl",
        { class: "figures" },
        ...listed.map(([value, label]) =>
          h("div", {}, h("dt", { class: "hint" }, label), h("dd", { class: "number" }, value)),
        ),
      ),
      h("p", { class: "hint" }, t("sessions.usage.span")),
      h("p", {}, h("a", { href: "/v1/usage/csv", download: "usage.csv" }, t("sessions.usage.csv"))),
    );
  } catch (error) {
    place.replaceChildren(h("p", { class: "hint" }, messageOf(error)));
  }
}

function feedback() {
  const place = find("#feedback", HTMLElement);
  const comment = h("textarea", { class: "textarea", id: "comment", rows: 2, maxlength: 2000 });
  const send = h(
    "form",
    { class: "stack", onsubmit: (event) => void given(event) },
    h(
      "fieldset",
      { class: "ratings" },
      h("legend", { class: "visually-hidden" }, t("sessions.feedback.rating")),
      h(
        "div",
        { class: "segmented" },
        ...[1, 2, 3, 4, 5].map((rating) =>
          h(
            "label",
            {},
            h("input", { type: "radio", name: "rating", value: rating, required: true, "aria-label": t("sessions.feedback.of", { rating }) }),
            String(rating),
          ),
        ),
      ),
    ),
    h("div", { class: "field" }, h("label", { for: "comment" }, t("sessions.feedback.comment")), comment),
    h("button", { class: "button button--small" }, t("sessions.feedback.send")),
  );
  place.replaceChildren(send);
  /** @param {SubmitEvent} event */
  async function given(event) {
    event.preventDefault();
    const rating = Number(new FormData(send).get("rating"));
    try {
      await post("/v1/usage/feedback", { rating, comment: comment.value });
      place.replaceChildren(h("p", { role: "status" }, t("sessions.feedback.thanks")));
      void usage();
    } catch (error) {
      fail(error);
    }
  }
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

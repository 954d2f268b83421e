/** Home: whether the server is ready, a recording to try it with, and the sessions of late. */

import { get, ApiError } from "../core/api.js";
import { tryIt } from "../components/try.js";
import { find, h, sessionAddress } from "../core/dom.js";
import { clock, languageName, moment, t } from "../core/i18n.js";

const SHOWN = 6;

/**
 * @typedef {object} SessionBody
 * @property {string} session
 * @property {string} title
 * @property {string} state
 * @property {string} language
 * @property {string[]} translate_to
 * @property {number} created_at_ms
 * @property {number} duration_ms
 */

async function showReadiness() {
  const place = find("#ready", HTMLElement);
  try {
    await get("/readyz");
    place.replaceChildren(badge("good", t("home.state.ready")));
  } catch (error) {
    place.replaceChildren(badge("warn", t("home.state.not-ready")));
    if (error instanceof ApiError) place.title = error.message;
  }
}

async function showSessions() {
  /** @type {{sessions: SessionBody[]}} */
  const { sessions } = await get(`/v1/sessions?limit=${SHOWN}`);
  const place = find("#sessions", HTMLElement);
  if (sessions.length === 0) {
    place.replaceChildren(h("p", { class: "hint" }, t("home.sessions.none")));
    return;
  }
  place.replaceChildren(h("ul", { class: "sessions" }, ...sessions.map(entry)));
}

/** @param {SessionBody} session */
function entry(session) {
  const live = session.state !== "finished";
  const languages = [session.language, ...session.translate_to].filter((code) => code && code !== "auto");
  return h(
    "li",
    { class: "sessions__entry" },
    h(
      "a",
      { class: "sessions__link", href: sessionAddress(session.session, !live) },
      h("span", { class: "sessions__title", dir: "auto" }, session.title || t("home.sessions.untitled")),
      h(
        "span",
        { class: "hint number" },
        [moment(session.created_at_ms), clock(session.duration_ms), ...languages.map(languageName)].join(" · "),
      ),
    ),
    session.state === "open" && badge("good", t("home.sessions.live")),
    live && session.state !== "open" && badge("warn", t("home.sessions.draining")),
  );
}

/**
 * @param {"good" | "warn"} kind
 * @param {string} text
 */
function badge(kind, text) {
  return h("span", { class: `badge badge--${kind}` }, h("span", { class: "dot" }), text);
}

const place = find("#try", HTMLElement);
place.append(tryIt());
place.addEventListener("session", () => void showSessions());
await Promise.all([showReadiness(), showSessions()]);

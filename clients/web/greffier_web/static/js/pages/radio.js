/** The radio log: several nets, a line for each transmission, alerts that cannot be overlooked. */

import { ApiError, get, post } from "../core/api.js";
import { find, h } from "../core/dom.js";
import { pageLanguage, t } from "../core/i18n.js";
import { askAuthor } from "../record/author.js";
import { Alarms } from "../radio/alarms.js";
import { Choice } from "../radio/choice.js";
import { handOver, showHandovers } from "../radio/handover.js";
import { DAY, keyOf, rowOf } from "../radio/lines.js";
import { listNets } from "../radio/nets.js";
import { allow, ring } from "../radio/siren.js";

/** @typedef {import("../radio/lines.js").Line} Line */

const POLL_MS = 2_000;

const log = find("#log", HTMLElement);
const sound = find("#sound", HTMLAudioElement);
const trouble = find("#trouble", HTMLElement);

/** @type {string[]} */
let chosen = (new URLSearchParams(location.search).get("sessions") ?? "").split(",").filter(Boolean);
/** @type {Line[]} */
let lines = [];
/** @type {Map<string, string>} */
const titles = new Map();
/** @type {Map<string, {line: string, element: HTMLElement}>} */
const rows = new Map();
let cursor = "";
let turn = 0;
let begun = Date.now();

const choice = new Choice(() => sift());
const alarms = new Alarms(
  {
    show: (line) => {
      rows.get(keyOf(line))?.element.scrollIntoView({ block: "center" });
      void hear(line);
    },
    acknowledge: (line) => void keep(line, "alert", "", "seen"),
  },
  titleOf,
);

tools();
await listNets(chosen, titles, (nets) => {
  chosen = nets;
  again();
}).catch(fail);
void poll(turn);

function tools() {
  const noise = h("input", {
    type: "checkbox",
    checked: true,
    onchange: () => {
      alarms.loud = noise.checked;
      if (alarms.loud) void allow();
    },
  });
  document.addEventListener("pointerdown", () => void allow(), { once: true });
  document.addEventListener("keydown", () => void allow(), { once: true });
  const quiet = (/** @type {string} */ key, /** @type {() => void} */ onclick) =>
    h("button", { class: "button button--quiet button--small", type: "button", onclick }, t(key));
  find("#tools", HTMLElement).replaceChildren(
    h("label", { class: "row radio__loud" }, noise, t("radio.sound")),
    quiet("radio.sound.test", () => void allow().then(() => ring(1))),
    h("a", { class: "button button--quiet button--small", id: "csv", href: "#", hidden: true }, t("radio.csv")),
    h("a", { class: "button button--quiet button--small", id: "pdf", href: "#", hidden: true }, t("radio.pdf")),
    quiet("radio.print", () => print()),
    h("button", { class: "button button--small", type: "button", onclick: endWatch }, t("radio.handover")),
  );
}

function endWatch() {
  if (chosen.length) handOver(chosen, begun, again);
  else fail(new Error(t("radio.choose")));
}

/** Ask at once, from the beginning. */
function again() {
  turn += 1;
  cursor = "";
  void poll(turn);
}

/** @param {number} mine */
async function poll(mine) {
  if (!chosen.length) {
    lines = [];
    fill();
    return;
  }
  let goOn = true;
  try {
    const query = new URLSearchParams({ sessions: chosen.join(","), cursor });
    const now = await get(`/v1/radio?${query}`);
    if (mine !== turn) return;
    if (now.changed) {
      const first = cursor === "";
      cursor = now.cursor;
      lines = now.transmissions;
      for (const net of now.nets) titles.set(net.session, net.title || net.session);
      if (first) begun = Math.min(...now.nets.map((/** @type {any} */ net) => net.begun_at_ms));
      fill();
      showHandovers(now.handovers);
    }
    trouble.replaceChildren();
  } catch (error) {
    if (mine !== turn) return;
    fail(error);
    goOn = !(error instanceof ApiError) || error.retryable;
  }
  if (goOn) setTimeout(() => mine === turn && void poll(mine), POLL_MS);
}

/** Rows that did not change stay; nobody is interrupted who writes in one. */
function fill() {
  const known = new Set();
  /** @type {HTMLElement | null} */
  let before = null;
  for (const line of lines) {
    const key = keyOf(line);
    known.add(key);
    const written = JSON.stringify(line) + titleOf(line.session);
    let row = rows.get(key);
    if (!row || row.line !== written) {
      const writing = row?.element.contains(document.activeElement) && document.activeElement instanceof HTMLInputElement;
      if (!row || !writing) {
        const element = rowOf(line, titleOf(line.session), {
          hear: (one) => void hear(one),
          note: (one, action) => void keep(one, "action", one.action, action),
        });
        row?.element.replaceWith(element);
        row = { line: written, element };
        rows.set(key, row);
      }
    }
    /** @type {Element | null} */
    const next = before ? before.nextElementSibling : log.firstElementChild;
    if (next !== row.element) log.insertBefore(row.element, next);
    before = row.element;
  }
  for (const [key, row] of [...rows]) {
    if (known.has(key)) continue;
    row.element.remove();
    rows.delete(key);
  }
  alarms.update(lines);
  sift();
}

/** Show what is chosen; what is taken away is the same. */
function sift() {
  let count = 0;
  for (const line of lines) {
    const element = rows.get(keyOf(line))?.element;
    if (!element) continue;
    element.hidden = !choice.keeps(line, titleOf(line.session));
    if (!element.hidden) count += 1;
  }
  const says = chosen.length ? (lines.length ? t("radio.count", { count }) : t("radio.none")) : t("radio.choose");
  const at = t("radio.updated", { time: DAY.format(Date.now()) });
  find("#facts", HTMLElement).textContent = chosen.length ? `${says} · ${at}` : says;
  find("#nets-names", HTMLElement).textContent = chosen.map(titleOf).join(", ");
  const query = choice.query(chosen);
  const csv = find("#csv", HTMLAnchorElement);
  const pdf = find("#pdf", HTMLAnchorElement);
  csv.hidden = pdf.hidden = chosen.length === 0;
  csv.href = `/v1/radio/csv?${query}`;
  pdf.href = `/v1/radio/document?${query}&format=pdf&language=${pageLanguage}`;
}

/**
 * @param {Line} line
 * @param {"action" | "alert"} kind
 * @param {string} old
 * @param {string} wanted
 */
async function keep(line, kind, old, wanted) {
  if (old.trim() === wanted.trim()) return;
  const who = await askAuthor();
  if (!who) return;
  try {
    await post(`/v1/sessions/${encodeURIComponent(line.session)}/corrections`, {
      who,
      target: { kind, segment: line.segments[0] },
      old,
      new: kind === "alert" ? who : wanted.trim(),
    });
    turn += 1;
    void poll(turn);
  } catch (error) {
    fail(error);
  }
}

/** @param {Line} line */
async function hear(line) {
  const from = Math.max(0, line.start_ms - 300);
  sound.src = `/v1/sessions/${encodeURIComponent(line.session)}/audio?from_ms=${from}&to_ms=${line.end_ms + 500}`;
  sound.dataset.fromMs = String(from);
  await sound.play().catch(() => undefined);
}

/** @param {string} session */
function titleOf(session) {
  return titles.get(session) ?? session;
}

/** @param {unknown} error */
function fail(error) {
  const text = error instanceof Error ? error.message : String(error);
  trouble.replaceChildren(h("p", { class: "notice notice--bad", role: "alert" }, text));
}

/** The radio log: several nets, a line for each transmission, alerts that cannot be overlooked. */

import { ApiError, get, post } from "../core/api.js";
import { find, h, icon } from "../core/dom.js";
import { moment, number, pageLanguage, t } from "../core/i18n.js";
import { marked } from "../console/marked.js";
import { askAuthor, author } from "../record/author.js";
import { allow, ring } from "../radio/siren.js";

const POLL_MS = 2_000;
const MOST = 12;
const GRAVE = ["distress", "urgency"];
const DAY = new Intl.DateTimeFormat(pageLanguage, { timeStyle: "medium" });

/**
 * @typedef {object} Line
 * @property {string} session
 * @property {number} number
 * @property {number[]} segments
 * @property {number} received_at_ms
 * @property {number} start_ms
 * @property {number} end_ms
 * @property {string} sent_by
 * @property {string} addressed_to
 * @property {string} message
 * @property {number} confidence
 * @property {{level: string, word: string, start: number, end: number}[]} alerts
 * @property {string} action
 * @property {string} acknowledged
 * @property {boolean} closed
 */

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
/** @type {Set<string>} */
const rung = new Set();
let cursor = "";
let loud = true;
let turn = 0;
let show = "all";
let begun = Date.now();

const filter = h("input", {
  class: "input input--small",
  type: "search",
  "aria-label": t("radio.filter.text"),
  placeholder: t("radio.filter.text"),
  oninput: () => sift(),
});

tools();
filters();
await nets();
void poll(turn);

function tools() {
  const noise = h("input", {
    type: "checkbox",
    checked: true,
    onchange: () => {
      loud = noise.checked;
      if (loud) void allow();
    },
  });
  document.addEventListener("pointerdown", () => void allow(), { once: true });
  document.addEventListener("keydown", () => void allow(), { once: true });
  find("#tools", HTMLElement).replaceChildren(
    h("label", { class: "row radio__loud" }, noise, t("radio.sound")),
    h(
      "button",
      {
        class: "button button--quiet button--small",
        type: "button",
        onclick: async () => {
          await allow();
          ring(1);
        },
      },
      t("radio.sound.test"),
    ),
    h("a", { class: "button button--quiet button--small", id: "csv", href: "#" }, t("radio.csv")),
    h("button", { class: "button button--quiet button--small", type: "button", onclick: () => print() }, t("radio.print")),
    h("button", { class: "button button--small", type: "button", onclick: () => handOver() }, t("radio.handover")),
  );
}

function filters() {
  find("#filters", HTMLElement).replaceChildren(
    filter,
    h(
      "fieldset",
      { class: "radio__show" },
      h("legend", { class: "visually-hidden" }, t("radio.filter.show")),
      h(
        "div",
        { class: "segmented" },
        ...["all", "alerts", "open"].map((name) =>
          h(
            "label",
            {},
            h("input", {
              type: "radio",
              name: "show",
              value: name,
              checked: name === "all",
              onchange: () => {
                show = name;
                sift();
              },
            }),
            t(`radio.filter.${name}`),
          ),
        ),
      ),
    ),
  );
}

// --- which nets -------------------------------------------------------------------------------

async function nets() {
  const place = find("#nets-list", HTMLElement);
  const details = find("#nets", HTMLDetailsElement);
  details.open = chosen.length === 0;
  try {
    const { sessions } = await get("/v1/sessions?limit=50");
    for (const one of sessions) titles.set(one.session, one.title || one.session);
    place.replaceChildren(
      sessions.length
        ? h("ul", { class: "nets__list", role: "list" }, ...sessions.map(choice))
        : h("p", { class: "hint" }, t("radio.nets.none")),
    );
  } catch (error) {
    fail(error);
  }
}

/** @param {any} session */
function choice(session) {
  const box = h("input", {
    type: "checkbox",
    checked: chosen.includes(session.session),
    onchange: () => {
      const rest = chosen.filter((one) => one !== session.session);
      chosen = box.checked ? [...rest, session.session].slice(-MOST) : rest;
      const address = new URL(location.href);
      if (chosen.length) address.searchParams.set("sessions", chosen.join(","));
      else address.searchParams.delete("sessions");
      history.replaceState(null, "", address);
      turn += 1;
      cursor = "";
      void poll(turn);
    },
  });
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
        session.state === "finished" ? null : h("span", { class: "badge badge--bad nets__live" }, h("span", { class: "dot" }), t("sessions.state.open")),
      ),
    ),
  );
}

// --- the log ----------------------------------------------------------------------------------

/** @param {number} mine */
async function poll(mine) {
  const csv = find("#csv", HTMLAnchorElement);
  csv.href = `/v1/radio/csv?sessions=${encodeURIComponent(chosen.join(","))}`;
  csv.hidden = chosen.length === 0;
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
      handovers(now.handovers);
    }
    trouble.replaceChildren();
  } catch (error) {
    if (mine !== turn) return;
    fail(error);
    goOn = !(error instanceof ApiError) || error.retryable;
  }
  if (goOn) setTimeout(() => mine === turn && void poll(mine), POLL_MS);
}

function fill() {
  const known = new Set();
  /** @type {HTMLElement | null} */
  let before = null;
  for (const line of lines) {
    const key = keyOf(line);
    known.add(key);
    const written = JSON.stringify(line) + titles.get(line.session);
    let row = rows.get(key);
    if (!row || row.line !== written) {
      const writing = row?.element.contains(document.activeElement) && document.activeElement instanceof HTMLInputElement;
      if (!row || !writing) {
        const element = rowOf(line);
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
  alerts();
  sift();
}

/** @param {Line} line */
function rowOf(line) {
  const gravest = line.alerts[0]?.level ?? "";
  return h(
    "tr",
    { class: gravest ? `log__row log__row--${gravest}` : "log__row", id: idOf(line) },
    h("td", { class: "number log__number" }, String(line.number)),
    h("td", { class: "number log__time" }, h("time", { datetime: new Date(line.received_at_ms).toISOString() }, DAY.format(line.received_at_ms))),
    h("td", { class: "log__net" }, titles.get(line.session) ?? line.session),
    h("td", { class: "log__sign" }, line.sent_by || "–"),
    h("td", { class: "log__sign" }, line.addressed_to || "–"),
    h(
      "td",
      { class: "log__message" },
      ...line.alerts.slice(0, 1).map((alert) =>
        h("span", { class: `badge badge--${GRAVE.includes(alert.level) ? "bad" : "warn"} log__level` }, t(`radio.level.${alert.level}`)),
      ),
      ...marked(
        line.message,
        [...line.alerts].sort((one, other) => one.start - other.start).map((one) => /** @type {const} */ ([one.start, one.end])),
      ),
      line.acknowledged ? h("span", { class: "hint log__acked" }, t("radio.alert.acked", { who: line.acknowledged })) : null,
    ),
    h("td", { class: "log__sure" }, meter(line.confidence)),
    h(
      "td",
      { class: "log__sound" },
      h(
        "button",
        { class: "button button--quiet button--icon button--small", type: "button", "aria-label": t("radio.play", { number: line.number }), onclick: () => void hear(line) },
        icon("play"),
      ),
    ),
    h("td", { class: "log__action" }, action(line)),
  );
}

/** @param {number} sure */
function meter(sure) {
  const kind = sure >= 0.8 ? "good" : sure >= 0.5 ? "fair" : "poor";
  return h("span", { class: `sure sure--${kind} number` }, number(sure, { style: "percent" }));
}

/** @param {Line} line */
function action(line) {
  const field = h("input", {
    class: "input input--small",
    value: line.action,
    maxlength: 500,
    placeholder: t("radio.action.none"),
    "aria-label": t("radio.action", { number: line.number }),
    onkeydown: (event) => {
      if (event.key === "Enter") field.blur();
      if (event.key === "Escape") {
        field.value = line.action;
        field.blur();
      }
    },
    onchange: () => void keep(line, "action", line.action, field.value),
  });
  return field;
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

function sift() {
  const wanted = fold(filter.value);
  let count = 0;
  for (const line of lines) {
    const element = rows.get(keyOf(line))?.element;
    if (!element) continue;
    const text = fold(`${line.message} ${line.sent_by} ${line.addressed_to} ${line.action} ${titles.get(line.session)}`);
    const kept =
      (show === "all" || (show === "alerts" ? line.alerts.length > 0 : line.action === "")) && text.includes(wanted);
    element.hidden = !kept;
    if (kept) count += 1;
  }
  const says = chosen.length ? (lines.length ? t("radio.count", { count }) : t("radio.none")) : t("radio.choose");
  const at = t("radio.updated", { time: DAY.format(Date.now()) });
  find("#facts", HTMLElement).textContent = chosen.length ? `${says} · ${at}` : says;
}

// --- alerts -----------------------------------------------------------------------------------

function alerts() {
  const open = lines.filter((line) => line.alerts.length && !line.acknowledged);
  const place = find("#alerts", HTMLElement);
  const shown = open.slice(-5).reverse();
  const keys = shown.map(keyOf).join();
  if (place.dataset.keys !== keys) {
    place.dataset.keys = keys;
    place.replaceChildren(...shown.map(raised));
  }
  let fresh = 0;
  for (const line of open) {
    if (rung.has(keyOf(line))) continue;
    rung.add(keyOf(line));
    fresh = Math.max(fresh, GRAVE.includes(line.alerts[0]?.level ?? "") ? 3 : 1);
  }
  if (fresh && loud) place.dataset.rung = String(ring(fresh));
  document.title = `${open.length ? `(${open.length}) ` : ""}${t("page.radio.title")} – Greffier`;
}

/** @param {Line} line */
function raised(line) {
  const alert = line.alerts[0];
  const level = alert?.level ?? "watchword";
  return h(
    "div",
    { class: `alarm alarm--${GRAVE.includes(level) ? "grave" : "mild"}` },
    h(
      "p",
      { class: "alarm__text" },
      t("radio.alert", {
        level: t(`radio.level.${level}`),
        word: alert?.word ?? "",
        net: titles.get(line.session) ?? line.session,
        time: DAY.format(line.received_at_ms),
      }),
    ),
    h(
      "div",
      { class: "row" },
      h(
        "button",
        {
          class: "button button--small button--quiet",
          type: "button",
          onclick: () => {
            rows.get(keyOf(line))?.element.scrollIntoView({ block: "center" });
            void hear(line);
          },
        },
        icon("play"),
        t("radio.alert.go"),
      ),
      h(
        "button",
        { class: "button button--small", type: "button", onclick: () => void keep(line, "alert", "", "seen") },
        t("radio.alert.ack"),
      ),
    ),
  );
}

// --- the end of a watch -----------------------------------------------------------------------

/** @param {any[]} notes */
function handovers(notes) {
  find("#handovers", HTMLElement).hidden = notes.length === 0;
  find("#handovers-list", HTMLElement).replaceChildren(
    ...notes.map((note) =>
      h(
        "li",
        {},
        h(
          "p",
          {},
          h(
            "strong",
            {},
            t("radio.handover.line", {
              who: note.who,
              by: note.relieved_by,
              from: moment(note.from_at_ms),
              to: moment(note.to_at_ms),
            }),
          ),
        ),
        h("p", { class: "handovers__note" }, note.note),
      ),
    ),
  );
}

function handOver() {
  if (!chosen.length) {
    fail(new Error(t("radio.choose")));
    return;
  }
  const field = (/** @type {string} */ key, /** @type {HTMLElement} */ control) => {
    control.id = `handover-${key}`;
    return h("div", { class: "field" }, h("label", { for: control.id }, t(`radio.handover.${key}`)), control);
  };
  const who = h("input", { class: "input", required: true, maxlength: 80, value: author() });
  const by = h("input", { class: "input", required: true, maxlength: 80 });
  const from = h("input", { class: "input", type: "datetime-local", required: true, value: local(begun) });
  const to = h("input", { class: "input", type: "datetime-local", required: true, value: local(Date.now()) });
  const note = h("textarea", { class: "textarea", rows: 6, required: true, maxlength: 20000 });
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "handover-heading", onclose: () => dialog.remove() },
    h(
      "form",
      {
        class: "stack",
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            await post("/v1/radio/handovers", {
              sessions: chosen,
              who: who.value,
              relieved_by: by.value,
              from_at_ms: new Date(from.value).getTime(),
              to_at_ms: new Date(to.value).getTime(),
              note: note.value,
            });
            dialog.close();
            turn += 1;
            void poll(turn);
          } catch (error) {
            dialog.querySelector(".notice")?.remove();
            dialog.firstElementChild?.prepend(h("p", { class: "notice notice--bad", role: "alert" }, messageOf(error)));
          }
        },
      },
      h("h2", { id: "handover-heading" }, t("radio.handover.heading")),
      h("div", { class: "pair" }, field("by", who), field("to", by)),
      h("div", { class: "pair" }, field("from-time", from), field("to-time", to)),
      field("note", note),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button" }, t("radio.handover.save")),
        h("button", { class: "button button--quiet", type: "button", onclick: () => dialog.close() }, t("common.cancel")),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** Local time as a field of date and time writes it. @param {number} ms */
function local(ms) {
  const shifted = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

/** @param {Line} line */
function keyOf(line) {
  return `${line.session}/${line.segments[0]}`;
}

/** @param {Line} line */
function idOf(line) {
  return `line-${line.session}-${line.segments[0]}`;
}

/** Without case and accents. @param {string} text */
function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
}

/** @param {unknown} error */
function fail(error) {
  trouble.replaceChildren(h("p", { class: "notice notice--bad", role: "alert" }, messageOf(error)));
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** The record of a session: text beside the sound, corrected in place, minutes that can be checked. */

import { ApiError, get, taken } from "../core/api.js";
import { find, h } from "../core/dom.js";
import { clock, languageName, moment, number, t } from "../core/i18n.js";
import { ahead, api, name as session } from "../record/ahead.js";
import { askAuthor, author } from "../record/author.js";
import { buildDeck, takeKeys } from "../record/deck.js";
import { Edits } from "../record/edits.js";
import { exportsMenu } from "../record/exports.js";
import { keysButton } from "../record/keys.js";
import { readSegment } from "../record/model.js";
import { Player } from "../record/player.js";
import { proposals } from "../record/proposals.js";
import { languageOption } from "../record/row.js";
import { Side } from "../record/side.js";
import { TranscriptView } from "../record/view.js";

/** @typedef {import("../record/model.js").Segment} Segment */

const LIVE_MS = 2_000;
/** Segments asked for at a time, behind the first ones. */
const PAGE = 700;

const main = find("#record", HTMLElement);
const status = find("#status", HTMLElement);
/** @type {Map<number, Segment>} */
const segments = new Map();
/** @type {any} */
let record = null;
let follow = true;
/** @type {Player | null} */
let player = null;

const terms = proposals(session, say, fail);
const view = new TranscriptView(find("#segments", HTMLElement), {
  hear: (ms, stopMs) => void player?.play(ms, stopMs ?? null),
  correct: (segment, text) => edits.words(segment, text),
  translate: (segment, language, text) =>
    edits.send(
      { kind: "translation", segment: segment.id, language },
      segment.translations[language]?.text ?? "",
      text,
    ),
  rename: (segment) => void edits.rename(segment),
});
const edits = new Edits(api, segments, () => record, {
  segment: (segment) => view.put(segment),
  words: () => void terms.refresh(),
  speakers: () => side.speakers(record),
  minutes: () => side.minutes(record),
  history: () => {
    side.changes(edits.history);
    countDoubts();
  },
  say,
  fail,
  settled: () => find("#trouble", HTMLElement).replaceChildren(),
});
const side = new Side(
  api,
  {
    startOf: (segment) => segments.get(segment)?.startMs ?? null,
    cite: (segment) => {
      const found = segments.get(segment);
      if (!found) return;
      view.show(segment);
      void player?.play(found.startMs, found.endMs + 800);
    },
    judge: (section, item, old, verdict) => edits.send({ kind: "verdict", section, item }, old, verdict),
    edit: (section, item, old, text) => edits.send({ kind: "minutes", section, item }, old, text),
  },
  (speaker) => void edits.renameAll(speaker),
  fail,
);

async function open() {
  try {
    const [first, told] = await Promise.all([taken(ahead.record), taken(ahead.corrections)]);
    record = first;
    edits.history.push(...told.corrections);
  } catch (error) {
    main.setAttribute("aria-busy", "false");
    fail(error);
    return;
  }
  const { count, withheld, gaps } = record;
  head();
  view.between(withheld, gaps);
  let here = take(record.segments);
  await painted();
  const own = new Player(encodeURIComponent(session), record.duration_ms, record.audio);
  player = own;
  own.addEventListener("move", () => view.mark(own.positionMs, follow && own.playing));
  const wave = buildDeck(encodeURIComponent(session), own, () => segments.values());
  takeKeys(own, toDoubt);
  bar();
  side.build(record, terms.element, edits.history);
  main.setAttribute("aria-busy", "false");
  const asked = Number(new URLSearchParams(location.search).get("t"));
  let sought = asked > 0;
  if (!sought) own.dispatchEvent(new Event("move"));
  while (true) {
    const last = [...segments.values()].at(-1);
    if (sought && (here >= count || (last && last.startMs > asked))) {
      sought = false;
      const there = [...segments.values()].findLast((one) => one.startMs <= asked);
      if (there) view.show(there.id);
      void own.seek(asked);
    }
    if (here >= count) break;
    try {
      const next = await get(`${api}/record?skip=${here}&limit=${PAGE}`);
      if (!next.segments.length) break;
      here += take(next.segments);
    } catch (error) {
      fail(error);
      break;
    }
  }
  view.end();
  main.dataset.whole = "";
  // What is cited or translated further down is known only now.
  bar();
  exports_();
  side.minutes(record);
  countDoubts();
  wave.wake();
  void terms.refresh();
  void edits.listen();
  void side.explain(record);
  if (record.state !== "finished") setTimeout(grow, LIVE_MS);
}

/** Show further segments; return how many. @param {any[]} plain */
function take(plain) {
  const fresh = plain.map(readSegment);
  for (const segment of fresh) {
    segment.ownName = edits.namedAlone(segment.id);
    segments.set(segment.id, segment);
  }
  view.add(fresh);
  return fresh.length;
}

/** When the browser has drawn what is there. */
function painted() {
  return new Promise((done) => {
    // A tab in the background draws nothing.
    if (document.hidden) setTimeout(done);
    else requestAnimationFrame(() => setTimeout(done));
  });
}

// --- what stands around the text --------------------------------------------------------------

function head() {
  const title = record.title || t("record.untitled");
  find("#title", HTMLElement).textContent = title;
  document.title = `${title} – Greffier`;
  const facts = [
    moment(record.created_at_ms),
    clock(record.duration_ms),
    record.language ? languageName(record.language) : "",
  ].filter(Boolean);
  find("#facts", HTMLElement).replaceChildren(
    facts.join(" · "),
    " ",
    record.state === "finished"
      ? ""
      : h("span", { class: "badge badge--bad" }, h("span", { class: "dot" }), t("record.live")),
    record.reading ? h("span", { class: "badge" }, t("record.second-pass")) : "",
  );
  const you = h(
    "button",
    { class: "button button--quiet button--small", type: "button", onclick: () => void askAuthor(true) },
    name(),
  );
  function name() {
    return author() ? t("author.you", { name: author() }) : t("author.none");
  }
  document.addEventListener("author", () => {
    you.textContent = name();
  });
  find("#tools", HTMLElement).replaceChildren(you, keysButton(), h("div", { id: "exports" }));
  exports_();
}

/** What can be taken away; it may be open while more of the session comes. */
function exports_() {
  const place = find("#exports", HTMLElement);
  if (place.querySelector("details")?.open) return;
  const languages = translatedInto();
  place.replaceChildren(
    exportsMenu(api, session, { minutes: record.minutes, language: record.language, translate_to: languages }),
  );
}

/** Languages in which there is something. */
function translatedInto() {
  return [...new Set([...segments.values()].flatMap((one) => Object.keys(one.translations)))];
}

function bar() {
  const languages = translatedInto();
  const place = find("#bar", HTMLElement);
  if (place.dataset.languages === languages.join()) return;
  place.dataset.languages = languages.join();
  const beside = h(
    "select",
    {
      class: "select select--small",
      "aria-label": t("record.beside"),
      onchange: () => view.setBeside(beside.value),
    },
    h("option", { value: "" }, t("record.beside.none")),
    ...languages.map(languageOption),
  );
  beside.value = view.beside;
  const following = h("input", {
    type: "checkbox",
    checked: follow,
    onchange: () => {
      follow = following.checked;
    },
  });
  place.replaceChildren(
    h("button", { class: "button button--quiet button--small", id: "doubts", type: "button", hidden: true, onclick: () => toDoubt(1) }),
    h("label", { class: "row record__follow" }, following, t("record.follow")),
    ...(languages.length ? [beside] : []),
  );
}

// --- what is doubtful -------------------------------------------------------------------------

/** Where the last doubtful place was that was gone to. */
let doubtMs = -1;

/** Go to the next doubtful place, or the one before, and play it. @param {1 | -1} by */
function toDoubt(by) {
  const doubts = view.doubts();
  const next =
    by > 0
      ? (doubts.find((one) => one.atMs > doubtMs) ?? doubts[0])
      : (doubts.findLast((one) => one.atMs < doubtMs) ?? doubts.at(-1));
  if (!next) return;
  doubtMs = next.atMs;
  next.show();
  void player?.play(next.atMs, next.endMs);
  say(t("record.doubt.at", { number: number(doubts.indexOf(next) + 1), count: doubts.length, time: clock(next.atMs) }));
}

function countDoubts() {
  const count = view.doubts().length;
  const button = find("#doubts", HTMLButtonElement);
  button.hidden = count === 0;
  button.textContent = t("record.doubts", { count });
}

// --- a session that goes on -------------------------------------------------------------------

/** Take on what a live session says. */
async function grow() {
  const open_ = [...segments.values()].find((one) => !one.closed);
  const since = open_?.id ?? Math.max(0, ...segments.keys());
  try {
    const now = await get(`${api}/record?since=${since}`);
    const ended = now.state === "finished";
    for (const plain of now.segments) {
      const segment = readSegment(plain);
      segment.ownName = edits.namedAlone(segment.id);
      segments.set(segment.id, segment);
      view.put(segment);
    }
    record = now;
    bar();
    countDoubts();
    if (player) {
      player.durationMs = Math.max(player.durationMs, now.duration_ms);
      player.kept = now.audio;
    }
    if (ended) {
      head();
      side.minutes(record);
      side.speakers(record);
      return;
    }
  } catch (error) {
    if (error instanceof ApiError && !error.retryable) return;
  }
  setTimeout(grow, LIVE_MS);
}

/** @param {string} text */
function say(text) {
  status.textContent = text;
}

/** @param {unknown} error */
function fail(error) {
  const text = error instanceof Error ? error.message : String(error);
  find("#trouble", HTMLElement).replaceChildren(
    h("p", { class: "notice notice--bad", role: "alert" }, text),
  );
}

await open();

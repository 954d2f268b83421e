/** The record of a session: text beside the sound, corrected in place, minutes that can be checked. */

import { ApiError, get, post } from "../core/api.js";
import { writesNothing } from "../core/models.js";
import { find, h, icon } from "../core/dom.js";
import { clock, languageName, moment, number, t } from "../core/i18n.js";
import { ask, askAuthor, author } from "../record/author.js";
import { exportsMenu } from "../record/exports.js";
import { showMinutes } from "../record/minutes.js";
import { difference, patch, readSegment } from "../record/model.js";
import { proposals } from "../record/proposals.js";
import { versionSelect } from "../record/versions.js";
import { Player, place, speedSelect } from "../record/player.js";
import { languageOption, nameOf, TranscriptView } from "../record/view.js";
import { Wave } from "../record/wave.js";

/** @typedef {import("../record/model.js").Correction} Correction */
/** @typedef {import("../record/model.js").Segment} Segment */
/** @typedef {import("../record/model.js").Target} Target */

const session = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const api = `/v1/sessions/${encodeURIComponent(session)}`;
const LIVE_MS = 2_000;

const main = find("#record", HTMLElement);
const status = find("#status", HTMLElement);
/** @type {Map<number, Segment>} */
const segments = new Map();
/** @type {Correction[]} */
const history = [];
/** @type {any} */
let record = null;
let follow = true;

const terms = proposals(session, say, fail);
const view = new TranscriptView(find("#segments", HTMLElement), {
  hear: (ms) => void player?.play(ms),
  correct,
  translate: (segment, language, text) =>
    send(
      { kind: "translation", segment: segment.id, language },
      segment.translations[language]?.text ?? "",
      text,
    ),
  rename: (segment) => void rename(segment),
});

/** @type {Player | null} */
let player = null;

async function open() {
  try {
    record = await get(`${api}/record`);
    history.push(...(await get(`${api}/corrections`)).corrections);
  } catch (error) {
    main.setAttribute("aria-busy", "false");
    fail(error);
    return;
  }
  for (const plain of record.segments) segments.set(plain.id, readSegment(plain));
  for (const { target } of history) {
    const own = target.kind === "speaker" && target.segment ? segments.get(target.segment) : null;
    if (own) own.ownName = true;
  }
  player = new Player(encodeURIComponent(session), record.duration_ms, record.audio);
  head();
  bar();
  side();
  deck();
  view.fill([...segments.values()], record.withheld, record.gaps);
  main.setAttribute("aria-busy", "false");
  const asked = Number(new URLSearchParams(location.search).get("t"));
  const there = asked > 0 ? [...segments.values()].findLast((one) => one.startMs <= asked) : null;
  if (there) {
    view.show(there.id);
    void player.seek(asked);
  } else player.dispatchEvent(new Event("move"));
  void listen();
  void explainMinutes();
  if (record.state !== "finished") setTimeout(grow, LIVE_MS);
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
  find("#tools", HTMLElement).replaceChildren(
    you,
    exportsMenu(api, session, { minutes: record.minutes, translate_to: translatedInto() }),
  );
}

/** Languages in which there is something. */
function translatedInto() {
  return [...new Set([...segments.values()].flatMap((one) => Object.keys(one.translations)))];
}

function bar() {
  const languages = translatedInto();
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
  const following = h("input", {
    type: "checkbox",
    checked: true,
    onchange: () => {
      follow = following.checked;
    },
  });
  find("#bar", HTMLElement).replaceChildren(
    h("label", { class: "row record__follow" }, following, t("record.follow")),
    ...(languages.length ? [beside] : []),
  );
}

function side() {
  const minutesPlace = h("div", { class: "minutes", id: "minutes" });
  const people = h("div", { id: "people" });
  const changes = h("div", { id: "changes" });
  find("#side", HTMLElement).replaceChildren(
    h(
      "section",
      { class: "card" },
      h("div", { class: "minutes__head" }, h("h2", {}, t("record.minutes")), h("div", { id: "versions" })),
      minutesPlace,
    ),
    h("section", { class: "card" }, h("h2", {}, t("record.speakers")), people),
    terms.element,
    h("section", { class: "card" }, h("h2", {}, t("record.changes")), changes),
  );
  minutes();
  speakers();
  told();
}

/** @type {import("../record/versions.js").Version | null} an earlier version that is being read */
let earlier = null;
let newest = 0;
/** Whether the server has a language model. */
let writing = true;

function versions() {
  const count = record.minutes?.version ?? 0;
  if (count === newest) return;
  newest = count;
  earlier = null;
  const select = versionSelect(
    api,
    count,
    (version) => {
      earlier = version;
      minutes();
    },
    fail,
  );
  find("#versions", HTMLElement).replaceChildren(select ?? "");
}

function minutes() {
  versions();
  showMinutes(
    find("#minutes", HTMLElement),
    earlier ?? record.minutes,
    {
      reading: earlier !== null,
      startOf: (segment) => segments.get(segment)?.startMs ?? null,
      cite: (segment) => {
        const found = segments.get(segment);
        if (!found) return;
        view.show(segment);
        void player?.play(found.startMs, found.endMs + 800);
      },
      judge: (section, item, old, verdict) => send({ kind: "verdict", section, item }, old, verdict),
      edit: (section, item, old, text) => send({ kind: "minutes", section, item }, old, text),
    },
    t(record.state === "finished" ? (writing ? "record.no-minutes" : "record.no-model") : "record.minutes-later"),
  );
}

/** Say why there are no minutes, where it is the server that cannot write any. */
async function explainMinutes() {
  if (record.minutes || !(await writesNothing().catch(() => false))) return;
  writing = false;
  minutes();
}

function speakers() {
  const place = find("#people", HTMLElement);
  if (!record.speakers.length) {
    place.replaceChildren(h("p", { class: "hint" }, t("record.no-speakers")));
    return;
  }
  const all = record.speakers.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.spoken_ms, 0);
  place.replaceChildren(
    h(
      "ul",
      { class: "people", role: "list" },
      ...record.speakers.map((/** @type {any} */ one) =>
        h(
          "li",
          {},
          h(
            "button",
            { class: "people__name", type: "button", onclick: () => void renameAll(one) },
            /^\d+$/.test(one.name) ? t("record.voice", { number: one.name }) : one.name,
          ),
          h(
            "span",
            { class: "hint number" },
            number(one.spoken_ms / Math.max(1, all), { style: "percent" }),
          ),
        ),
      ),
    ),
  );
}

function told() {
  const listed = history.slice(-30).reverse();
  find("#changes", HTMLElement).replaceChildren(
    listed.length
      ? h(
          "ol",
          { class: "changes", role: "list" },
          ...listed.map((one) =>
            h(
              "li",
              {},
              h(
                "p",
                { class: "changes__what" },
                one.target.kind === "verdict"
                  ? t(`minutes.told.${one.new || "open"}`)
                  : h(
                      "span",
                      {},
                      h("del", {}, one.old || "∅"),
                      " → ",
                      h("ins", {}, one.new || "∅"),
                    ),
              ),
              h("p", { class: "hint" }, `${one.who}, ${moment(one.at_ms)}`),
            ),
          ),
        )
      : h("p", { class: "hint" }, t("record.no-changes")),
  );
}

// --- the sound --------------------------------------------------------------------------------

function deck() {
  if (!player) return;
  const own = player;
  const play = h("button", {
    class: "button button--icon player__play",
    type: "button",
    onclick: () => void own.toggle(),
  });
  const state = () => {
    play.replaceChildren(icon(own.playing ? "stop" : "play"));
    play.setAttribute("aria-label", t(own.playing ? "record.pause" : "record.play"));
  };
  state();
  const back = step(-5);
  const on = step(5);
  const where = h("output", { class: "player__where number" });
  const silent = h("p", { class: "hint", hidden: own.kept }, t("record.silent"));
  const wave = new Wave(encodeURIComponent(session), own, () => segments.values());
  own.addEventListener("state", state);
  own.addEventListener("silent", () => {
    silent.hidden = false;
  });
  own.addEventListener("move", () => {
    where.textContent = place(own.positionMs, own.durationMs);
    view.mark(own.positionMs, follow && own.playing);
  });
  find("#player", HTMLElement).replaceChildren(
    h("div", { class: "player__inner" }, h("div", { class: "player__keys" }, back, play, on), wave.element, h("div", { class: "player__end" }, where, speedSelect(own)), own.audio, silent),
  );
  /** @param {number} seconds */
  function step(seconds) {
    return h(
      "button",
      {
        class: "button button--quiet button--small number",
        type: "button",
        "aria-label": t(seconds < 0 ? "record.back" : "record.on", { count: Math.abs(seconds) }),
        onclick: () => void own.seek(own.positionMs + seconds * 1000),
      },
      `${seconds > 0 ? "+" : "−"}${Math.abs(seconds)} s`,
    );
  }
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (!player || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target instanceof Element && target.closest("input, select, textarea, dialog, button, summary, a")) return;
  if (event.key === " " || event.key === "k") void player.toggle();
  else if (event.key === "j") void player.seek(player.positionMs - 5_000);
  else if (event.key === "l") void player.seek(player.positionMs + 5_000);
  else return;
  event.preventDefault();
});

// --- corrections ------------------------------------------------------------------------------

/** @param {Segment} segment @param {string} text */
async function correct(segment, text) {
  const change = difference(segment, text);
  if (!change) return true;
  const { first, end } = change;
  return send({ kind: "words", segment: segment.id, first, end }, change.old, change.new);
}

/** @param {Segment} segment */
async function rename(segment) {
  const all = h("input", { type: "checkbox", checked: segment.voice !== "", disabled: segment.voice === "" });
  const wanted = await ask(
    t("record.rename"),
    t("record.rename.label"),
    segment.speaker,
    t("record.rename.hint"),
    [h("label", { class: "choice" }, all, t("record.rename.all", { name: nameOf(segment) }))],
  );
  if (!wanted || wanted === segment.speaker) return;
  if (all.checked) {
    const known = record.speakers.find((/** @type {any} */ one) => one.voice === segment.voice);
    await send({ kind: "speaker", speaker: segment.voice }, known?.name ?? segment.voice, wanted);
  } else await send({ kind: "speaker", segment: segment.id }, segment.speaker, wanted);
}

/** @param {{voice: string, name: string}} speaker */
async function renameAll(speaker) {
  const wanted = await ask(t("record.rename"), t("record.rename.label"), speaker.name, t("record.rename.hint"));
  if (wanted && wanted !== speaker.name) {
    await send({ kind: "speaker", speaker: speaker.voice }, speaker.name, wanted);
  }
}

/**
 * Ask the server for a correction; whether it was made.
 * @param {Target} target
 * @param {string} old
 * @param {string} wanted
 */
async function send(target, old, wanted) {
  const who = await askAuthor();
  if (!who) return false;
  try {
    take(await post(`${api}/corrections`, { who, target, old, new: wanted.trim() }));
    find("#trouble", HTMLElement).replaceChildren();
    say(t("record.saved"));
    return true;
  } catch (error) {
    fail(error);
    return false;
  }
}

/** @param {Correction} correction */
function take(correction) {
  if (history.some((one) => one.seq === correction.seq)) return;
  history.push(correction);
  history.sort((one, other) => one.seq - other.seq);
  const { target } = correction;
  const segment = target.segment ? segments.get(target.segment) : undefined;
  if (target.kind === "words" && segment) {
    patch(segment, correction);
    view.put(segment);
    void terms.refresh();
  } else if (target.kind === "translation" && segment) {
    const translated = segment.translations[target.language ?? ""];
    if (translated) Object.assign(translated, { text: correction.new, corrected: true, dated: false });
    view.put(segment);
  } else if (target.kind === "speaker") {
    named(correction, segment);
  } else if (target.kind === "minutes" || target.kind === "verdict") {
    judged(correction);
  }
  told();
}

/** @param {Correction} correction @param {Segment | undefined} segment */
function named(correction, segment) {
  if (segment) {
    Object.assign(segment, { speaker: correction.new, ownName: true });
    view.put(segment);
    return;
  }
  const known = record.speakers.find((/** @type {any} */ one) => one.voice === correction.target.speaker);
  if (known) known.name = correction.new;
  for (const one of segments.values()) {
    if (one.voice === correction.target.speaker && !one.ownName) {
      one.speaker = correction.new;
      view.put(one);
    }
  }
  speakers();
}

/** @param {Correction} correction */
function judged({ target, new: wanted }) {
  if (!record.minutes || record.minutes.version !== target.minutes) return;
  const items = record.minutes.sections.find((/** @type {any} */ one) => one.section === target.section)?.items;
  const item = items?.[target.item ?? 0];
  if (!item) return;
  if (target.kind === "verdict") item.verdict = wanted;
  else item.text = wanted;
  minutes();
}

// --- what others do ---------------------------------------------------------------------------

/** Hear of corrections as others make them. */
async function listen() {
  // Asked again and again, not held open: a browser has six connections, and sound needs them.
  let pause = LIVE_MS;
  for (;;) {
    await new Promise((done) => setTimeout(done, document.hidden ? 5 * pause : pause));
    try {
      const after = history.at(-1)?.seq ?? 0;
      const fresh = await get(`${api}/corrections?after=${after}`);
      for (const one of fresh.corrections) {
        if (history.some((known) => known.seq === one.seq)) continue;
        take(one);
        say(t("record.others", { name: one.who }));
      }
      pause = LIVE_MS;
    } catch (error) {
      if (error instanceof ApiError && !error.retryable) return;
      pause = Math.min(2 * pause, 30_000);
    }
  }
}

/** Take on what a live session says. */
async function grow() {
  const open_ = [...segments.values()].find((one) => !one.closed);
  const since = open_?.id ?? Math.max(0, ...segments.keys());
  try {
    const now = await get(`${api}/record?since=${since}`);
    const ended = now.state === "finished";
    for (const plain of now.segments) {
      const segment = readSegment(plain);
      segments.set(segment.id, segment);
      view.put(segment);
    }
    record = { ...now, segments: record.segments };
    if (player) {
      player.durationMs = Math.max(player.durationMs, now.duration_ms);
      player.kept = now.audio;
    }
    if (ended) {
      head();
      minutes();
      speakers();
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

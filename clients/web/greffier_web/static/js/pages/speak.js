/** Speak: open a session with a microphone, a shared tab or a file, and see what the server has of it. */

import { explain } from "../core/api.js";
import { writesNothing } from "../core/models.js";
import { find, h, icon, sessionAddress } from "../core/dom.js";
import { clock, languageName, number, pageLanguage, t } from "../core/i18n.js";
import { LiveSpeaker } from "../core/speaker.js";
import { WhipSpeaker } from "../core/whip.js";
import { Transcript } from "../core/transcript.js";
import { decode, microphone, microphones, NoSound, recording, sharedTab } from "../audio/sources.js";
import { findCaptions } from "../components/captions.js";
import { Level } from "../components/level.js";
import { openShare } from "../components/share.js";

const RATE = 16_000;
/** What only this browser has: beyond this it is said. */
const BEHIND_S = 4;
const FIRST = ["fr", "en"];
const OTHERS =
  "ar bg ca cs da de el es et fa fi ga he hi hr hu it ja ko lt lv mt nl no pl pt ro ru sk sl sr sv tr uk vi zh".split(" ");

/** @typedef {import("../audio/sources.js").Source} Source */

const form = find("#form", HTMLFormElement);
const problem = find("#problem", HTMLElement);
const targets = find("#targets", HTMLElement);
const captions = findCaptions("#captions");
const transcript = new Transcript();
/** @type {Source | undefined} */
let testing;
let muted = false;
let over = false;
/** The sound goes by WebRTC: nothing is kept for the WebSocket. */
let elsewhere = false;
/** @type {ReturnType<typeof setInterval> | undefined} */
let progress;

fillLanguages();
showSource();
find("#sources", HTMLElement).addEventListener("change", showSource);
find("#test", HTMLButtonElement).onclick = () => attempt(toggleTest);
form.onsubmit = (event) => {
  event.preventDefault();
  void attempt(begin);
};
await Promise.all([listDevices(), lookForModel()]);

function chosenSource() {
  return find("input[name=source]:checked", HTMLInputElement, form).value;
}

function showSource() {
  const chosen = chosenSource();
  for (const part of form.querySelectorAll("[data-source]")) {
    if (part instanceof HTMLElement) part.hidden = part.dataset.source !== chosen;
  }
  find("#file", HTMLInputElement).required = chosen === "file";
  if (chosen !== "microphone") stopTest();
}

function fillLanguages() {
  const collator = new Intl.Collator(pageLanguage);
  const names = new Intl.DisplayNames([pageLanguage], { type: "language" });
  /** @param {string} code */
  const name = (code) => names.of(code) ?? code;
  const others = [...OTHERS].sort((a, b) => collator.compare(name(a), name(b)));
  find("#language", HTMLSelectElement).replaceChildren(
    h("option", { value: "auto" }, t("speak.language.auto")),
    ...[...FIRST, ...others].map((code) => h("option", { value: code }, name(code))),
  );
  const more = find("#more", HTMLSelectElement);
  more.replaceChildren(
    h("option", { value: "" }, t("speak.translate.more")),
    ...others.map((code) => h("option", { value: code }, name(code))),
  );
  more.onchange = () => {
    if (more.value && !targets.querySelector(`input[value="${more.value}"]`)) {
      targets.append(target(more.value, true));
    }
    more.value = "";
  };
  targets.replaceChildren(...FIRST.map((code) => target(code, false)));
}

/**
 * @param {string} code
 * @param {boolean} checked
 */
function target(code, checked) {
  return h("label", { class: "choice" }, h("input", { type: "checkbox", value: code, checked }), h("span", { lang: code }, languageName(code)));
}

/** Without a language model nothing is translated: say so before, not after. */
async function lookForModel() {
  const absent = await writesNothing();
  find("#no-model", HTMLElement).hidden = !absent;
  for (const part of [targets, find("#more", HTMLElement)]) part.hidden = absent;
  find("#minutes", HTMLInputElement).disabled = absent;
}

async function listDevices() {
  const select = find("#device", HTMLSelectElement);
  try {
    const known = await microphones();
    const chosen = select.value;
    const named = known.filter((device) => device.label && device.deviceId !== "default");
    select.replaceChildren(
      h("option", { value: "" }, t("speak.device.default")),
      ...named.map((device) => h("option", { value: device.deviceId, selected: device.deviceId === chosen }, device.label)),
    );
  } catch (error) {
    if (!(error instanceof NoSound)) throw error;
    find("#test-hint", HTMLElement).textContent = t(`speak.no-sound.${error.code}`);
    find("#test", HTMLButtonElement).disabled = true;
  }
}

/**
 * Do something that may find no sound.
 * @param {() => Promise<void>} work
 */
async function attempt(work) {
  problem.hidden = true;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof NoSound)) throw error;
    complain(t(`speak.no-sound.${error.code}`));
  }
}

/** @param {string} text */
function complain(text) {
  problem.textContent = text;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}

async function toggleTest() {
  if (testing) return stopTest();
  const level = find("#test-level", Level);
  let heard = false;
  const hint = find("#test-hint", HTMLElement);
  hint.textContent = t("speak.test.speak");
  testing = await microphone(find("#device", HTMLSelectElement).value, (_, peak) => {
    level.show(peak);
    if (peak > 0.05 && !heard) {
      heard = true;
      hint.textContent = t("speak.test.heard");
    }
  });
  find("#test", HTMLButtonElement).setAttribute("aria-pressed", "true");
  await listDevices();
}

function stopTest() {
  testing?.stop();
  testing = undefined;
  find("#test", HTMLButtonElement).setAttribute("aria-pressed", "false");
  find("#test-level", Level).reset();
  find("#test-hint", HTMLElement).textContent = "";
}

/** What the form asks for. */
function wanted() {
  const checked = [...targets.querySelectorAll("input")].filter((box) => box.checked && !targets.hidden);
  const profile = find("#profile", HTMLSelectElement).value;
  return {
    title: find("#title", HTMLInputElement).value.trim(),
    language: find("#language", HTMLSelectElement).value,
    translate_to: checked.map((box) => box.value),
    minutes: find("#minutes", HTMLInputElement).checked,
    glossary: glossary(find("#glossary", HTMLTextAreaElement).value, checked.map((box) => box.value)),
    ...(profile ? { profile } : {}),
  };
}

/**
 * One term a line; behind `=`, its only accepted translation.
 * @param {string} text
 * @param {string[]} languages
 */
function glossary(text, languages) {
  return text
    .split("\n")
    .map((line) => line.split("=").map((part) => part.trim()))
    .filter(([term]) => term)
    .map(([term = "", translation]) => ({
      term,
      translations: translation ? Object.fromEntries(languages.map((code) => [code, translation])) : {},
    }));
}

async function begin() {
  stopTest();
  const start = wanted();
  const level = find("#level", Level);
  const byWebRtc = find("#transport", HTMLSelectElement).value === "webrtc" && start.glossary.length === 0;
  const speaker = new LiveSpeaker({ start, onMessage: take, onState: (state, code, message) => showState(speaker, state, code, message) });
  /** @param {Int16Array} pcm @param {number} peak */
  const onAudio = (pcm, peak) => {
    if (!elsewhere) speaker.push(muted ? new Int16Array(pcm.length) : pcm);
    level.show(muted ? 0 : peak);
  };
  const source = await open(speaker, onAudio);
  showRunning(speaker, source, start);
  const lock = await navigator.wakeLock?.request("screen").catch(() => null);
  const away = byWebRtc && source.stream ? await byWhip(source, source.stream, start, speaker) : "failed";
  if (away === "failed") {
    void source.ended.then(() => speaker.finish());
    showRunning(speaker, source, start);
    await speaker.run();
  } else showState(speaker, "ended", "", "");
  source.stop();
  level.reset();
  await lock?.release();
}

/**
 * Speak by WebRTC; `failed` = go on by WebSocket.
 * @param {Source} source
 * @param {MediaStream} stream
 * @param {ReturnType<typeof wanted>} start
 * @param {LiveSpeaker} speaker goes on where WebRTC broke off
 * @returns {Promise<"ended" | "failed">}
 */
async function byWhip(source, stream, start, speaker) {
  const whip = new WhipSpeaker({ stream, start, onMessage: take });
  if (!(await whip.open())) {
    find("#kept", HTMLElement).textContent = t("speak.webrtc.fallback");
    return "failed";
  }
  elsewhere = true;
  speaker.forget();
  clearInterval(progress);
  const began = performance.now();
  const ticking = setInterval(() => (find("#clock", HTMLElement).textContent = clock(performance.now() - began)), 250);
  find("#kept", HTMLElement).textContent = t("speak.webrtc");
  const mute = find("#mute", HTMLButtonElement);
  mute.addEventListener("click", () => {
    for (const track of stream.getAudioTracks()) track.enabled = !muted;
  });
  showWhip(whip, source, start);
  const outcome = await whip.run();
  clearInterval(ticking);
  elsewhere = false;
  if (outcome === "failed") speaker.continueFrom(whip.session, Math.round(performance.now() - began));
  return outcome;
}

/**
 * @param {WhipSpeaker} whip
 * @param {Source} source
 * @param {ReturnType<typeof wanted>} start
 */
function showWhip(whip, source, start) {
  badge("live");
  const finish = find("#finish", HTMLButtonElement);
  const end = () => {
    source.stop();
    badge("finishing");
    finish.disabled = true;
    void whip.finish();
  };
  finish.disabled = false;
  finish.onclick = end;
  void source.ended.then(end);
  const share = find("#share", HTMLButtonElement);
  share.disabled = false;
  share.onclick = () => openShare(whip.session, start.translate_to);
  find("#watch", HTMLAnchorElement).href = `/watch/${encodeURIComponent(whip.session)}`;
}

/**
 * @param {LiveSpeaker} speaker
 * @param {(pcm: Int16Array, peak: number) => void} onAudio
 * @returns {Promise<Source>}
 */
async function open(speaker, onAudio) {
  switch (chosenSource()) {
    case "tab":
      return sharedTab(onAudio);
    case "file": {
      const file = find("#file", HTMLInputElement).files?.[0];
      const pcm = await decode((await file?.arrayBuffer()) ?? new ArrayBuffer(0));
      return recording(pcm, { realTime: false, ready: () => speaker.ready(), onAudio });
    }
    default:
      return microphone(find("#device", HTMLSelectElement).value, onAudio);
  }
}

/**
 * @param {LiveSpeaker} speaker
 * @param {Source} source
 * @param {{ title: string, translate_to: string[] }} start
 */
function showRunning(speaker, source, start) {
  find("#setup", HTMLElement).hidden = true;
  find("#running", HTMLElement).hidden = false;
  const title = find("#running-title", HTMLElement);
  title.textContent = start.title || t("speak.untitled");
  title.focus();
  const [language] = start.translate_to;
  if (language) captions.view = { kind: "both", language };
  const mute = find("#mute", HTMLButtonElement);
  mute.hidden = chosenSource() !== "microphone";
  mute.onclick = () => {
    muted = !muted;
    mute.setAttribute("aria-pressed", String(muted));
    mute.textContent = t(muted ? "speak.unmute" : "speak.mute");
  };
  find("#finish", HTMLButtonElement).onclick = () => {
    source.stop();
    speaker.finish();
  };
  const share = find("#share", HTMLButtonElement);
  share.replaceChildren(icon("link"), t("speak.share"));
  share.onclick = () => openShare(speaker.session, start.translate_to);
  window.addEventListener("beforeunload", (event) => {
    if (!over) event.preventDefault();
  });
  clearInterval(progress);
  progress = setInterval(() => showProgress(speaker), 250);
  showState(speaker, "connecting", "", "");
}

/** @param {LiveSpeaker} speaker */
function showProgress(speaker) {
  find("#clock", HTMLElement).textContent = clock((speaker.said * 1000) / RATE);
  find("#kept", HTMLElement).textContent = t("speak.kept", { time: clock((speaker.acknowledged * 1000) / RATE) });
  const waiting = find("#waiting", HTMLElement);
  const behind = speaker.waitingSeconds > BEHIND_S && !["ended", "refused"].includes(speaker.state);
  const away = speaker.state === "waiting" || speaker.state === "connecting";
  waiting.hidden = !(behind && away) && speaker.lost === 0;
  if (!waiting.hidden) {
    const seconds = number(Math.round(speaker.waitingSeconds));
    const text = speaker.lost
      ? t("speak.lost", { seconds: number(Math.round(speaker.lost / RATE)) })
      : t("speak.waiting");
    if (waiting.dataset.text !== text) {
      waiting.dataset.text = text;
      waiting.textContent = text;
    }
    find("#kept", HTMLElement).textContent += ` · ${t("speak.behind", { seconds })}`;
  }
}

/**
 * @param {LiveSpeaker} speaker
 * @param {import("../core/speaker.js").SpeakingState} state
 * @param {string} code
 * @param {string} message
 */
function showState(speaker, state, code, message) {
  badge(state);
  over = state === "ended" || state === "refused";
  for (const id of ["#finish", "#mute"]) find(id, HTMLButtonElement).disabled = over || state === "finishing";
  if (state !== "ended") find("#share", HTMLButtonElement).disabled = !speaker.session;
  if (speaker.session) find("#watch", HTMLAnchorElement).href = `/watch/${encodeURIComponent(speaker.session)}`;
  if (state === "refused") {
    find("#setup", HTMLElement).hidden = false;
    find("#running", HTMLElement).hidden = !speaker.session;
    complain(explain(code, message || code));
  }
  if (state === "ended") {
    if (speaker.session) showProgress(speaker);
    captions.rest();
    showRecord();
  }
}

/** It has ended: its captions are read in its record. */
function showRecord() {
  const watch = find("#watch", HTMLAnchorElement);
  const session = decodeURIComponent(watch.pathname.split("/").at(-1) ?? "");
  watch.href = sessionAddress(session, true);
  watch.textContent = t("speak.record");
  watch.removeAttribute("target");
}

/** @param {import("../core/speaker.js").SpeakingState} state */
function badge(state) {
  const looks = { connecting: "", live: "good", waiting: "warn", finishing: "", ended: "good", refused: "bad" };
  const look = looks[state] ? `badge badge--${looks[state]}` : "badge";
  const text = t(`speak.state.${state}`);
  find("#state", HTMLElement).replaceChildren(h("span", { class: look }, h("span", { class: "dot" }), text));
}

/** @param {import("../core/messages.js").ServerMessage} message */
function take(message) {
  const before = transcript.notices.length;
  for (const segment of transcript.take(message)) captions.update(segment);
  for (const notice of transcript.notices.slice(before)) captions.notify(notice);
}

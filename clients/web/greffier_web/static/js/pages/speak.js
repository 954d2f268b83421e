/** Speak: open a session with a microphone, a shared tab or a file, and see what the server has of it. */

import { explain } from "../core/api.js";
import { find, h, icon, sessionAddress } from "../core/dom.js";
import { clock, number, t } from "../core/i18n.js";
import { LiveSpeaker } from "../core/speaker.js";
import { WHIP_RATE, WhipSpeaker } from "../core/whip.js";
import { Transcript } from "../core/transcript.js";
import { decode, microphone, NoSound, recording, sharedTab } from "../audio/sources.js";
import { findCaptions } from "../components/captions.js";
import { Level } from "../components/level.js";
import { openShare } from "../components/share.js";
import { chosenSource, readyForm, stopTest, wanted } from "../speak/form.js";

const RATE = 16_000;
/** What only this browser has: beyond this it is said. */
const BEHIND_S = 4;

/** @typedef {import("../audio/sources.js").Source} Source */

const form = find("#form", HTMLFormElement);
const problem = find("#problem", HTMLElement);
const captions = findCaptions("#captions");
const transcript = new Transcript();
let muted = false;
let over = false;
let ending = false;
/** The way that the sound goes beside the WebSocket. @type {WhipSpeaker | undefined} */
let whip;
let broken = false;
/** @type {ReturnType<typeof setInterval> | undefined} */
let progress;

await readyForm(attempt);
form.onsubmit = (event) => {
  event.preventDefault();
  void attempt(begin);
};

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

async function begin() {
  stopTest();
  const start = wanted();
  const level = find("#level", Level);
  const speaker = new LiveSpeaker({ start, onMessage: take, onState: (state, code, message) => showState(speaker, state, code, message) });
  /** @param {Int16Array} pcm @param {number} peak */
  const onAudio = (pcm, peak) => {
    speaker.push(muted ? new Int16Array(pcm.length) : pcm);
    level.show(muted ? 0 : peak);
  };
  const source = await open(speaker, onAudio);
  showRunning(speaker, source, start);
  const lock = await navigator.wakeLock?.request("screen").catch(() => null);
  void source.ended.then(() => end(speaker));
  if ((await byWebRtc(source, start, speaker)) === "go on") await speaker.run();
  whip?.close();
  source.stop();
  level.reset();
  await lock?.release();
}

/**
 * Speak by WebRTC where that is wanted and can be had; else, or from where it breaks off, the
 * WebSocket goes on: it has everything that the server could not say it has.
 * @param {Source} source
 * @param {ReturnType<typeof wanted>} start
 * @param {LiveSpeaker} speaker
 * @returns {Promise<"ended" | "go on">}
 */
async function byWebRtc({ stream }, start, speaker) {
  if (find("#transport", HTMLSelectElement).value !== "webrtc") return "go on";
  if (!stream || start.glossary.length) {
    tell(t(stream ? "speak.webrtc.vocabulary" : "speak.webrtc.file"));
    return "go on";
  }
  let from = 0;
  const way = new WhipSpeaker({
    stream,
    start,
    onConnected: () => {
      from = speaker.said;
    },
    onMessage: (message) => speaker.hear(message),
  });
  const opened = await way.open();
  if (!opened) {
    tell(t("speak.webrtc.fallback"));
    return "go on";
  }
  if (ending) {
    // All of it was said before the way was there.
    await way.abandon();
    return "go on";
  }
  whip = way;
  speaker.lend({ ...opened, rate: WHIP_RATE, from });
  tell(t("speak.webrtc"));
  const outcome = await way.run();
  if (outcome === "ended") {
    speaker.settle();
    return "ended";
  }
  broken = true;
  tell(t("speak.webrtc.broken"));
  return "go on";
}

/** By which way the sound goes. @param {string} text */
function tell(text) {
  const way = find("#way", HTMLElement);
  way.textContent = text;
  way.hidden = false;
}

/** No more will be said. @param {LiveSpeaker} speaker */
function end(speaker) {
  ending = true;
  speaker.finish();
  whip?.finish();
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
    for (const track of source.stream?.getAudioTracks() ?? []) track.enabled = !muted;
    mute.setAttribute("aria-pressed", String(muted));
    mute.textContent = t(muted ? "speak.unmute" : "speak.mute");
  };
  find("#finish", HTMLButtonElement).onclick = () => {
    source.stop();
    end(speaker);
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
  // Only when the WebSocket has the session: a way that closes by itself would end it.
  if (broken && state !== "waiting") whip?.close();
  over = state === "ended" || state === "refused";
  if (state === "live") captions.begin();
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

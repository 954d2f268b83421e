/** A recorded meeting, played into this server as if it took place now. */

import { decode, recording } from "../audio/sources.js";
import { explain } from "../core/api.js";
import { h, icon, sessionAddress } from "../core/dom.js";
import { pageLanguage, t } from "../core/i18n.js";
import { LiveSpeaker } from "../core/speaker.js";
import { Transcript } from "../core/transcript.js";
import { Captions } from "./captions.js";

const RECORDING = new URL("../../audio/meeting.mp3", import.meta.url);

/** A button; once pressed, captions and translations of the recording, live. */
export function tryIt() {
  const button = h("button", { class: "button", type: "button" }, icon("play"), t("home.try.button"));
  const stop = h("button", { class: "button button--quiet", type: "button", hidden: true }, icon("stop"), t("home.try.stop"));
  const mute = h("button", { class: "button button--quiet", type: "button", "aria-pressed": "false", hidden: true }, t("home.try.mute"));
  const said = h("p", { role: "status", class: "hint" });
  const after = h("p", { class: "row" });
  const screen = h("div", { class: "try__screen", hidden: true });
  const place = h("div", { class: "stack" }, h("div", { class: "row" }, button, stop, mute), said, screen, after);

  const play = async () => {
    const captions = new Captions();
    const language = pageLanguage === "fr" ? "fr" : "en";
    screen.replaceChildren(captions);
    const transcript = new Transcript();
    const bytes = await (await fetch(RECORDING)).arrayBuffer();
    const heard = new Audio(URL.createObjectURL(new Blob([bytes], { type: "audio/mpeg" })));
    const pcm = await decode(bytes.slice(0));
    const speaker = new LiveSpeaker({
      start: { title: t("home.try.title"), language: "auto", translate_to: [language], minutes: true },
      onMessage: (message) => {
        const before = transcript.notices.length;
        // A server without a language model translates nothing: no room is kept for it.
        if (message.type === "translation") captions.view = { kind: "both", language };
        for (const segment of transcript.take(message)) captions.update(segment);
        for (const notice of transcript.notices.slice(before)) captions.notify(notice);
      },
      onState: (state, code, message) => {
        if (state === "refused") said.textContent = explain(code, message || t("home.try.failed"));
        else said.textContent = t(state === "ended" ? "home.try.done" : `speak.state.${state}`);
        if (state === "live") {
          captions.begin();
          said.textContent = t("home.try.running");
        }
        if (state === "finishing") said.textContent = t("home.try.finishing");
        if (speaker.session) lead(speaker.session, state === "ended");
      },
    });
    const source = recording(pcm, { realTime: true, ready: () => speaker.ready(), onAudio: (chunk) => speaker.push(chunk) });
    button.hidden = true;
    for (const part of [stop, mute, screen]) part.hidden = false;
    stop.onclick = () => {
      source.stop();
      quiet();
    };
    const quiet = () => {
      heard.pause();
      for (const part of [stop, mute]) part.hidden = true;
    };
    mute.onclick = () => {
      heard.muted = !heard.muted;
      mute.setAttribute("aria-pressed", String(heard.muted));
    };
    void heard.play().catch(() => undefined); // captions come without the sound too
    void source.ended.then(() => speaker.finish());
    await speaker.run();
    source.stop();
    quiet();
    URL.revokeObjectURL(heard.src);
    button.hidden = false;
    button.replaceChildren(icon("play"), t("home.try.again"));
  };
  /** Where it can be read meanwhile, and then. @param {string} session @param {boolean} ended */
  const lead = (session, ended) => {
    const text = t(ended ? "home.try.open" : "home.try.watch");
    const there = after.querySelector("a");
    const link = there ?? h("a", { class: "button button--quiet" });
    link.href = sessionAddress(session, ended);
    link.textContent = text;
    if (!there) after.append(link);
    place.dispatchEvent(new CustomEvent("session", { bubbles: true }));
  };
  button.onclick = () => void play();
  return place;
}

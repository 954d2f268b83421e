/** What plays the sound: its buttons, its picture, and the keys that work wherever one reads. */

import { find, h, icon } from "../core/dom.js";
import { t } from "../core/i18n.js";
import { openKeys } from "./keys.js";
import { place, speedSelect } from "./player.js";
import { Wave } from "./wave.js";

/** @typedef {import("./player.js").Player} Player */
/** @typedef {import("./model.js").Segment} Segment */

const STEP_MS = 5_000;

/**
 * Fill the page's bar of sound.
 * @param {string} session as it stands in an address
 * @param {Player} player
 * @param {() => Iterable<Segment>} segments
 * @returns {Wave}
 */
export function buildDeck(session, player, segments) {
  const play = h("button", {
    class: "button button--icon player__play",
    type: "button",
    onclick: () => void player.toggle(),
  });
  const state = () => {
    play.replaceChildren(icon(player.playing ? "stop" : "play"));
    play.setAttribute("aria-label", t(player.playing ? "record.pause" : "record.play"));
  };
  state();
  const where = h("output", { class: "player__where number" });
  const silent = h("p", { class: "hint", hidden: player.kept }, t("record.silent"));
  const wave = new Wave(session, player, segments);
  player.addEventListener("state", state);
  player.addEventListener("silent", () => {
    silent.hidden = false;
  });
  player.addEventListener("move", () => {
    where.textContent = place(player.positionMs, player.durationMs);
  });
  find("#player", HTMLElement).replaceChildren(
    h(
      "div",
      { class: "player__inner" },
      h("div", { class: "player__keys" }, step(player, -STEP_MS), play, step(player, STEP_MS)),
      wave.element,
      h("div", { class: "player__end" }, where, speedSelect(player)),
      player.audio,
      silent,
    ),
  );
  return wave;
}

/** @param {Player} player @param {number} ms */
function step(player, ms) {
  const count = Math.abs(ms) / 1000;
  return h(
    "button",
    {
      class: "button button--quiet button--small number",
      type: "button",
      "aria-label": t(ms < 0 ? "record.back" : "record.on", { count }),
      onclick: () => void player.seek(player.positionMs + ms),
    },
    `${ms > 0 ? "+" : "−"}${count} s`,
  );
}

/**
 * Keys for the sound and for what is doubtful, wherever the focus is but in a control.
 * @param {Player} player
 * @param {(by: 1 | -1) => void} toDoubt
 */
export function takeKeys(player, toDoubt) {
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target instanceof Element && target.closest("input, select, textarea, dialog, button, summary, a")) return;
    if (event.key === " " || event.key === "k") void player.toggle();
    else if (event.key === "j") void player.seek(player.positionMs - STEP_MS);
    else if (event.key === "l") void player.seek(player.positionMs + STEP_MS);
    else if (event.key === "d") toDoubt(1);
    else if (event.key === "D") toDoubt(-1);
    else if (event.key === "?") openKeys();
    else return;
    event.preventDefault();
  });
}

/** The form that opens a session: where the sound comes from, in which languages, with which words. */

import { writesNothing } from "../core/models.js";
import { find, h } from "../core/dom.js";
import { languageName, pageLanguage, t } from "../core/i18n.js";
import { microphone, microphones, NoSound } from "../audio/sources.js";
import { Level } from "../components/level.js";

const FIRST = ["fr", "en"];
const OTHERS =
  "ar bg ca cs da de el es et fa fi ga he hi hr hu it ja ko lt lv mt nl no pl pt ro ru sk sl sr sv tr uk vi zh".split(" ");
/** A peak that somebody makes who speaks. */
const HEARD = 0.05;

/** @typedef {import("../audio/sources.js").Source} Source */

const form = find("#form", HTMLFormElement);
const targets = find("#targets", HTMLElement);
/** @type {Source | undefined} */
let testing;

/**
 * Make the form ready.
 * @param {(work: () => Promise<void>) => Promise<void>} attempt does what may find no sound
 */
export async function readyForm(attempt) {
  fillLanguages();
  showSource();
  find("#sources", HTMLElement).addEventListener("change", showSource);
  find("#test", HTMLButtonElement).onclick = () => attempt(toggleTest);
  await Promise.all([listDevices(), lookForModel()]);
}

/** `microphone`, `tab` or `file`. */
export function chosenSource() {
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

async function toggleTest() {
  if (testing) return stopTest();
  const level = find("#test-level", Level);
  let heard = false;
  const hint = find("#test-hint", HTMLElement);
  hint.textContent = t("speak.test.speak");
  testing = await microphone(find("#device", HTMLSelectElement).value, (_, peak) => {
    level.show(peak);
    if (peak > HEARD && !heard) {
      heard = true;
      hint.textContent = t("speak.test.heard");
    }
  });
  find("#test", HTMLButtonElement).setAttribute("aria-pressed", "true");
  await listDevices();
}

/** The microphone is tried no longer. */
export function stopTest() {
  testing?.stop();
  testing = undefined;
  find("#test", HTMLButtonElement).setAttribute("aria-pressed", "false");
  find("#test-level", Level).reset();
  find("#test-hint", HTMLElement).textContent = "";
}

/** What the form asks for. */
export function wanted() {
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

/** Watch: live captions of one session, as each reader wants them. */

import { ApiError, explain, get } from "../core/api.js";
import { find, h, icon } from "../core/dom.js";
import { languageName, number, t } from "../core/i18n.js";
import { LiveWatch } from "../core/live.js";
import { keepPreferences, readPreferences } from "../core/preferences.js";
import { Transcript } from "../core/transcript.js";
import { findCaptions } from "../components/captions.js";
import { openShare } from "../components/share.js";
import { languageSelect, themeSelect } from "../components/look.js";

const KEPT = "greffier.watch";
const IDLE_MS = 3000;
/** Beyond this, the delay of the captions is said. */
const LAG_SHOWN_MS = 1000;

const asked = new URLSearchParams(location.search);
const overlay = asked.has("overlay") && asked.get("overlay") !== "0";
const choices = readPreferences(
  overlay ? `${KEPT}.overlay` : KEPT,
  {
    view: "original",
    size: defaultSize(),
    font: "sans",
    lines: overlay ? 2 : 0,
    position: "bottom",
    speakers: true,
    withheld: !overlay,
  },
  asked,
);

const transcript = new Transcript();
const captions = findCaptions("#captions");
const [, kind = "", name = ""] = location.pathname.split("/");
const link = kind === "w" ? decodeURIComponent(name) : "";

/**
 * @typedef {object} Shown
 * @property {string} session
 * @property {string} title
 * @property {string} language
 * @property {string[]} translate_to
 */

/** @type {import("../core/live.js").LiveState} */
let state = "connecting";
let problem = "";
/** @type {string[]} */
let languages = [];
let fields = 0;
let stateScheduled = false;

document.documentElement.classList.toggle("overlay", overlay);
if (overlay) document.documentElement.style.colorScheme = "light";
draw();
buildPanel();
await begin();

async function begin() {
  /** @type {Shown} */
  let shown;
  try {
    shown = link
      ? await get("/v1/view", { link })
      : await get(`/v1/sessions/${encodeURIComponent(decodeURIComponent(name))}`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.retryable) {
      showState("waiting", error.code);
      setTimeout(begin, 2000);
    } else showState("refused", error.code, error.message);
    return;
  }
  if (shown.title) {
    find("#title", HTMLElement).textContent = shown.title;
    document.title = `${shown.title} – Greffier`;
  }
  languages = shown.translate_to;
  buildViews();
  const share = find("#share", HTMLButtonElement);
  share.hidden = link !== "";
  share.prepend(icon("link"));
  share.onclick = () => openShare(shown.session, shown.translate_to);
  const watch = new LiveWatch({ session: shown.session, link, onMessage: take, onState: showState });
  await watch.run();
}

/** @param {import("../core/live.js").ServerMessage} message */
function take(message) {
  const before = transcript.notices.length;
  for (const segment of transcript.take(message)) captions.update(segment);
  for (const notice of transcript.notices.slice(before)) captions.notify(notice);
  if (message.type === "translation" && !languages.includes(message.language)) {
    languages = [...languages, message.language];
    buildViews();
  }
  if (message.type === "quality" || message.type === "caption") scheduleState();
}

/** The lag changes with every word; it is written once a second. */
function scheduleState() {
  if (stateScheduled) return;
  stateScheduled = true;
  setTimeout(() => {
    stateScheduled = false;
    drawState();
  }, 1000);
}

/**
 * @param {import("../core/live.js").LiveState} next
 * @param {string} code
 * @param {string} [message]
 */
function showState(next, code, message = "") {
  state = next;
  problem = next === "refused" ? explain(code, message || code) : "";
  if (next === "live") captions.begin();
  if (next === "ended") captions.rest();
  drawState();
}

function drawState() {
  const kinds = { connecting: "", live: "good", waiting: "warn", ended: "", refused: "bad" };
  const parts = [badge(kinds[state], problem || t(`watch.state.${state}`), true)];
  if (state === "live" && transcript.lag_ms > LAG_SHOWN_MS) {
    const seconds = number(transcript.lag_ms / 1000, { maximumFractionDigits: 0 });
    parts.push(badge("", t("watch.lag", { seconds }), false));
  }
  if (state === "live" && transcript.quality !== "full") {
    parts.push(badge("warn", t(`watch.quality.${transcript.quality}`), false));
  }
  const place = find("#state", HTMLElement);
  const text = parts.map((part) => part.textContent).join("|");
  if (place.dataset.text === text) return;
  place.dataset.text = text;
  place.replaceChildren(...parts);
}

/**
 * @param {string} look
 * @param {string} text
 * @param {boolean} dot
 */
function badge(look, text, dot) {
  return h("span", { class: look ? `badge badge--${look}` : "badge" }, dot && h("span", { class: "dot" }), text);
}

/** Take the choices to the page. */
function draw() {
  const stage = document.body;
  stage.dataset.font = choices.font;
  stage.dataset.position = choices.position;
  stage.dataset.lines = String(choices.lines);
  captions.style.setProperty("--caption-size", `${choices.size}rem`);
  captions.style.setProperty("--lines", String(choices.lines));
  captions.classList.toggle("captions--clean", !choices.withheld);
  captions.classList.toggle("captions--anonymous", !choices.speakers);
  const [view = "original", language = ""] = choices.view.split(":");
  captions.view =
    (view === "translation" || view === "both") && language
      ? { kind: view, language }
      : { kind: "original", language: "" };
}

/** @param {Partial<typeof choices>} changed */
function choose(changed) {
  Object.assign(choices, changed);
  keepPreferences(overlay ? `${KEPT}.overlay` : KEPT, choices);
  draw();
}

function buildViews() {
  const select = find("#view", HTMLSelectElement);
  const options = [
    ["original", t("watch.view.original")],
    ...languages.map((code) => [`translation:${code}`, capital(languageName(code))]),
    ...languages.map((code) => [`both:${code}`, t("watch.view.both", { language: languageName(code) })]),
  ];
  select.replaceChildren(
    ...options.map(([value = "", text = ""]) =>
      h("option", { value, selected: value === choices.view }, text),
    ),
  );
  select.hidden = languages.length === 0;
  select.onchange = () => choose({ view: select.value });
}

function buildPanel() {
  const panel = find("#panel", HTMLElement);
  const opener = find("#settings", HTMLButtonElement);
  const closer = find("#panel-close", HTMLButtonElement);
  const full = find("#full", HTMLButtonElement);
  opener.prepend(icon("settings"));
  full.prepend(icon("full"));
  closer.append(icon("close"));
  /** @param {boolean} open */
  const show = (open) => {
    panel.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    (open ? closer : opener).focus();
  };
  opener.onclick = () => show(panel.hidden !== false);
  closer.onclick = () => show(false);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show(false);
  });
  full.hidden = !document.fullscreenEnabled;
  full.onclick = () =>
    document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  document.addEventListener("fullscreenchange", () => {
    full.replaceChildren(icon("full"), t(document.fullscreenElement ? "watch.full.leave" : "watch.full"));
  });
  hideWhenIdle();
  find("#fields", HTMLElement).replaceChildren(
    field(t("watch.size"), sizeInput()),
    radios("font", t("watch.font"), ["sans", "serif", "spaced"]),
    radios("lines", t("watch.lines"), ["0", "2", "3", "5"]),
    radios("position", t("watch.position"), ["top", "middle", "bottom"]),
    toggle("speakers", t("watch.speakers")),
    toggle("withheld", t("watch.withheld")),
    field(t("look.theme"), themeSelect()),
    field(t("look.language"), languageSelect()),
  );
}

function sizeInput() {
  return h("input", {
    type: "range",
    min: 1,
    max: 8,
    step: 0.125,
    value: choices.size,
    oninput: (event) => choose({ size: Number(event.target.value) }),
  });
}

/**
 * @param {string} label
 * @param {HTMLElement} control
 */
function field(label, control) {
  control.removeAttribute("aria-label");
  control.classList.remove("select--small");
  return h("div", { class: "field" }, h("label", { for: (control.id = `field-${++fields}`) }, label), control);
}

/**
 * @param {"font" | "lines" | "position"} key
 * @param {string} label
 * @param {string[]} values
 */
function radios(key, label, values) {
  return h(
    "fieldset",
    { class: "field" },
    h("legend", {}, label),
    h(
      "div",
      { class: "segmented" },
      ...values.map((value) =>
        h(
          "label",
          {},
          h("input", {
            type: "radio",
            name: key,
            value,
            checked: String(choices[key]) === value,
            onchange: () => choose({ [key]: key === "lines" ? Number(value) : value }),
          }),
          t(`watch.${key}.${value}`),
        ),
      ),
    ),
  );
}

/**
 * @param {"speakers" | "withheld"} key
 * @param {string} label
 */
function toggle(key, label) {
  return h(
    "label",
    { class: "choice" },
    h("input", { type: "checkbox", checked: choices[key], onchange: (event) => choose({ [key]: event.target.checked }) }),
    label,
  );
}

function hideWhenIdle() {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const active = () => {
    document.body.classList.remove("stage--idle");
    clearTimeout(timer);
    timer = setTimeout(() => document.body.classList.add("stage--idle"), IDLE_MS);
  };
  for (const name of ["pointermove", "pointerdown", "keydown"]) {
    document.addEventListener(name, active, { passive: true });
  }
}

/** Larger on larger screens: a projector is read from the last row. */
function defaultSize() {
  return Math.round(Math.min(3.5, Math.max(1.375, 0.75 + innerWidth / 640)) * 8) / 8;
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

/** Texts in the page's language, numbers and times as that language writes them. */

/** @type {Readonly<Record<string, string>>} */
const texts = await (
  await fetch(new URL(`../../i18n/${document.documentElement.lang}.json`, import.meta.url))
).json();

/** The page's own language, a BCP 47 tag. */
export const pageLanguage = document.documentElement.lang;

/**
 * A text of the dictionary; `{name}` in it stands for a value.
 *
 * With a `count`, the text under `<key>.one` is taken where the language says so.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  let text = texts[key];
  if (typeof values.count === "number") {
    const form = new Intl.PluralRules(pageLanguage).select(values.count);
    text = texts[`${key}.${form}`] ?? text;
  }
  if (text === undefined) throw new Error(`no text "${key}"`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/**
 * Whether the dictionary has a text: for codes that a newer server may add to.
 * @param {string} key
 */
export function has(key) {
  return Object.hasOwn(texts, key);
}

/**
 * A language's own name where that is known ("français"), else its code.
 * @param {string} code ISO 639-1
 */
export function languageName(code) {
  try {
    return new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

const RIGHT_TO_LEFT = new Set(["ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"]);

/**
 * Which way a language is written.
 * @param {string} code
 * @returns {"ltr" | "rtl"}
 */
export function direction(code) {
  return RIGHT_TO_LEFT.has(code.split("-")[0] ?? "") ? "rtl" : "ltr";
}

/**
 * A place on a session's clock: 1:02:03, or 2:03 within the first hour.
 * @param {number} ms
 */
export function clock(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(seconds).padStart(2, "0")}`;
  return hours ? `${hours}:${tail}` : tail;
}

/**
 * A date and time of day.
 * @param {number} ms since the epoch
 */
export function moment(ms) {
  return new Intl.DateTimeFormat(pageLanguage, { dateStyle: "medium", timeStyle: "short" }).format(ms);
}

/**
 * A number as the language writes it.
 * @param {number} value
 * @param {Intl.NumberFormatOptions} [options]
 */
export function number(value, options) {
  return new Intl.NumberFormat(pageLanguage, options).format(value);
}

/** Choices of this browser, kept between visits; what the address asks for goes first. */

/**
 * Read choices: from the address, else from what was kept, else as given.
 * @template {Record<string, string | number | boolean>} T
 * @param {string} name of the kept value
 * @param {T} defaults also says the type of each choice
 * @param {URLSearchParams} [asked]
 * @returns {T}
 */
export function readPreferences(name, defaults, asked = new URLSearchParams()) {
  /** @type {Record<string, unknown>} */
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(name) ?? "{}") ?? {};
  } catch {
    // Storage is off, or holds something else: the defaults do.
  }
  const entries = Object.entries(defaults).map(([key, initial]) => {
    const wanted = asked.has(key) ? parse(asked.get(key) ?? "", initial) : kept[key];
    return [key, typeof wanted === typeof initial && wanted === wanted ? wanted : initial];
  });
  return /** @type {T} */ (Object.fromEntries(entries));
}

/**
 * Keep choices for the next visit.
 * @param {string} name
 * @param {Record<string, string | number | boolean>} choices
 */
export function keepPreferences(name, choices) {
  try {
    localStorage.setItem(name, JSON.stringify(choices));
  } catch {
    // Storage is off or full: they hold for this visit.
  }
}

/**
 * @param {string} text
 * @param {string | number | boolean} like
 */
function parse(text, like) {
  if (typeof like === "number") return text.trim() === "" ? Number.NaN : Number(text);
  if (typeof like === "boolean") return text !== "0" && text !== "false";
  return text;
}

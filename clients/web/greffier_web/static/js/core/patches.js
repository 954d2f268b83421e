/**
 * Corrections of words as patches over the words that were recognised (`greffier.patches`): patches
 * never overlap, one that covers others takes their place.
 *
 * @typedef {object} Patch
 * @property {number} first word, counted in the words as recognised
 * @property {number} end behind the last word
 * @property {string} text
 *
 * @typedef {object} Part
 * @property {string} text with its leading space
 * @property {string | null} heard what was recognised in its place; null = nobody changed it
 */

/**
 * Returns `patches` with `patch`, in order.
 * @param {readonly Patch[]} patches
 * @param {Patch} patch
 * @returns {Patch[]}
 */
export function patched(patches, patch) {
  const kept = patches.filter((old) => old.end <= patch.first || old.first >= patch.end);
  return [...kept, patch].sort((one, other) => one.first - other.first);
}

/**
 * What is shown of words, stretches that nobody changed in one part each.
 * @param {readonly string[]} words as recognised, with their leading spaces
 * @param {readonly Patch[]} patches
 * @returns {Part[]}
 */
export function parts(words, patches) {
  /** @type {Part[]} */
  const shown = [];
  let at = 0;
  for (const { first, end, text } of patches) {
    if (first < at || end <= first || end > words.length) continue;
    if (first > at) shown.push({ text: words.slice(at, first).join(""), heard: null });
    const fresh = text.trim();
    const glued = first > 0 && !/^\s/.test(words[first] ?? "");
    shown.push({
      text: glued || !fresh ? fresh : ` ${fresh}`,
      heard: words.slice(first, end).join("").trim(),
    });
    at = end;
  }
  if (at < words.length) shown.push({ text: words.slice(at).join(""), heard: null });
  return shown;
}

/** @param {readonly Part[]} shown */
export function joined(shown) {
  return shown.map((part) => part.text).join("");
}

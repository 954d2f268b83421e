/** Making elements without markup in strings: whatever comes from a session stays text. */

/**
 * @typedef {Node | string | null | undefined | false} Child
 */

/**
 * An element with attributes and children.
 *
 * `class`, `id`, `type`, `aria-…` are set as attributes; true is an empty attribute; false, null and
 * undefined leave one out; a function is a listener (`onclick`). Strings become text nodes.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.replace(/^on/, ""), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, String(value));
    }
  }
  element.append(...children.filter(present));
  return element;
}

/**
 * The element of a page that must be there.
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} kind such as HTMLButtonElement
 * @param {ParentNode} [root]
 * @returns {T}
 */
export function find(selector, kind, root = document) {
  const element = root.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`no ${kind.name} "${selector}"`);
  return element;
}

/**
 * Where a session is read: its record where there is such a page and it has ended, else its captions.
 * @param {string} session id
 * @param {boolean} ended
 */
export function sessionAddress(session, ended) {
  const pages = document.documentElement.dataset.pages?.split(" ") ?? [];
  const place = ended && pages.includes("record") ? "sessions" : "watch";
  return `/${place}/${encodeURIComponent(session)}`;
}

const SVG = "http://www.w3.org/2000/svg";

/** Outlines of 24 × 24; drawn with the colour of the text. */
const ICONS = {
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  microphone: "M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5 11a7 7 0 0 0 14 0M12 18v3",
  play: "M8 5l11 7-11 7z",
  screen: "M3 5h18v11H3zM9 20h6M12 16v4",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.500v5M8 14.500v5",
  stop: "M7 7h10v10H7z",
};

/**
 * A small drawing, hidden from screen readers: the button says what it does.
 * @param {keyof typeof ICONS} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill", "none");
  path.setAttribute("stroke", "currentColor");
  path.setAttribute("stroke-width", "1.8");
  path.setAttribute("stroke-linecap", "round");
  path.setAttribute("stroke-linejoin", "round");
  svg.append(path);
  return svg;
}

/**
 * @param {Child} child
 * @returns {child is Node | string}
 */
function present(child) {
  return child !== null && child !== undefined && child !== false && child !== "";
}

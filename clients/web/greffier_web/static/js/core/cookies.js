/** The two choices that the server must know to draw a page: its language and its theme. */

const YEAR_S = 31_536_000;

/**
 * Keep a choice for a year.
 * @param {"greffier_language" | "greffier_theme"} name
 * @param {string} value
 */
export function keepChoice(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)}; Path=/; Max-Age=${YEAR_S}; SameSite=Strict${secure}`;
}

/** `<g-look>`: choice of the page's language and theme. */

import { keepChoice } from "../core/cookies.js";
import { h } from "../core/dom.js";
import { pageLanguage, t } from "../core/i18n.js";

export const THEMES = /** @type {const} */ (["auto", "light", "dark", "contrast"]);
const LANGUAGES = { fr: "Français", en: "English" };

/**
 * Take a theme, here and on every other page.
 * @param {string} theme
 */
export function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  keepChoice("greffier_theme", theme);
}

/**
 * Load the page anew in another language.
 * @param {string} language
 */
export function setLanguage(language) {
  keepChoice("greffier_language", language);
  const address = new URL(location.href);
  address.searchParams.delete("lang");
  location.replace(address);
}

/** A select of the themes. */
export function themeSelect() {
  const chosen = document.documentElement.dataset.theme;
  return h(
    "select",
    {
      class: "select select--small",
      "aria-label": t("look.theme"),
      onchange: (event) => setTheme(event.target.value),
    },
    ...THEMES.map((theme) =>
      h("option", { value: theme, selected: theme === chosen }, t(`look.theme.${theme}`)),
    ),
  );
}

/** A select of the pages' languages. */
export function languageSelect() {
  return h(
    "select",
    {
      class: "select select--small",
      "aria-label": t("look.language"),
      onchange: (event) => setLanguage(event.target.value),
    },
    ...Object.entries(LANGUAGES).map(([code, name]) =>
      h("option", { value: code, lang: code, selected: code === pageLanguage }, name),
    ),
  );
}

class Look extends HTMLElement {
  connectedCallback() {
    this.classList.add("look");
    this.replaceChildren(languageSelect(), themeSelect());
  }
}

customElements.define("g-look", Look);

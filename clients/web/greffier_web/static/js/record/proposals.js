/** Terms that editors put where something else was heard, to be taken into the glossary. */

import { ApiError, get, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";

/**
 * @typedef {object} Proposal
 * @property {string} term
 * @property {string} heard
 * @property {string} language
 * @property {number} count
 *
 * @typedef {object} Term as `/v1/glossary` writes it
 * @property {string} term
 * @property {string} [language]
 * @property {string[]} [pronunciation]
 */

const GLOSSARY = "/v1/glossary";
/** Pronunciations of a term, as the server takes them. */
const MOST_FORMS = 20;

/**
 * A section that shows itself when `refresh` finds something to propose.
 * @param {string} session
 * @param {(text: string) => void} say
 * @param {(error: unknown) => void} fail
 */
export function proposals(session, say, fail) {
  const list = h("ul", { class: "proposals", role: "list" });
  const element = h(
    "section",
    { class: "card", id: "proposals", hidden: true },
    h("h2", {}, t("glossary.proposals")),
    h("p", { class: "hint" }, t("glossary.hint")),
    list,
  );
  /** @type {Set<string>} left out until the page is opened again */
  const dismissed = new Set();

  /** Ask anew what there is to propose. */
  async function refresh() {
    try {
      const { proposals: found } = await get(`/v1/corrections/proposals?session=${encodeURIComponent(session)}`);
      const { terms } = found.length ? await get(GLOSSARY) : { terms: [] };
      const open = found.filter((/** @type {Proposal} */ one) => !dismissed.has(keyOf(one)) && !known(terms, one));
      list.replaceChildren(...open.map(entry));
      element.hidden = open.length === 0;
    } catch (error) {
      // A server without glossaries has nothing to take terms into.
      element.hidden = true;
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** @param {Proposal} proposal */
  function entry(proposal) {
    const { term, heard, count, language } = proposal;
    return h(
      "li",
      { class: "proposals__item" },
      h(
        "p",
        {},
        h("strong", { lang: language || null }, term),
        " ",
        h("span", { class: "hint" }, t("glossary.heard", { heard, count })),
      ),
      h(
        "div",
        { class: "row" },
        h(
          "button",
          {
            class: "button button--small button--quiet",
            type: "button",
            "aria-label": t("glossary.accept.term", { term }),
            onclick: () => void accept(proposal),
          },
          t("glossary.accept"),
        ),
        h(
          "button",
          {
            class: "button button--small button--quiet",
            type: "button",
            "aria-label": t("glossary.dismiss.term", { term }),
            onclick: () => {
              dismissed.add(keyOf(proposal));
              void settled(t("glossary.dismissed", { term }));
            },
          },
          t("glossary.dismiss"),
        ),
      ),
    );
  }

  /** @param {Proposal} proposal */
  async function accept(proposal) {
    const { term, heard } = proposal;
    const language = /^[a-z]{2,3}$/.test(proposal.language) ? proposal.language : "";
    try {
      // A term that is there already keeps its translations and what else is known of it.
      const { terms } = await get(GLOSSARY);
      const there = named(terms, term, language);
      const pronunciation = [...new Set([...(there?.pronunciation ?? []), heard])].slice(-MOST_FORMS);
      await post(GLOSSARY, { terms: [{ ...there, term: there?.term ?? term, language, pronunciation }] });
      await settled(t("glossary.accepted", { term }));
    } catch (error) {
      fail(error);
    }
  }

  /** @param {string} text */
  async function settled(text) {
    say(text);
    await refresh();
    // What had the focus is gone; it goes to the next one, or behind the last to what follows.
    const next = list.querySelector("button") ?? element.nextElementSibling?.querySelector("h2");
    if (!(next instanceof HTMLElement)) return;
    if (!(next instanceof HTMLButtonElement)) next.tabIndex = -1;
    next.focus({ preventScroll: true });
  }

  return { element, refresh };
}

/** @param {Proposal} proposal */
const keyOf = ({ term, heard, language }) => JSON.stringify([term, heard, language]);

/** @param {Term[]} terms @param {string} term @param {string} language */
function named(terms, term, language) {
  const folded = term.toLocaleLowerCase();
  return terms.find(
    (one) => one.term.toLocaleLowerCase() === folded && (one.language ?? "") === language,
  );
}

/** @param {Term[]} terms @param {Proposal} proposal */
function known(terms, { term, heard, language }) {
  return named(terms, term, language)?.pronunciation?.includes(heard) ?? false;
}

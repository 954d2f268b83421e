/** Figures of use, and what people think of it. */

import { get, post } from "../core/api.js";
import { find, h } from "../core/dom.js";
import { number, t } from "../core/i18n.js";

/** Show the sums. */
export async function usage() {
  const place = find("#usage", HTMLElement);
  try {
    const figures = await get("/v1/usage");
    const mean = figures.satisfaction.mean;
    /** @type {[string, string][]} */
    const listed = [
      [number(figures.sessions), t("sessions.usage.sessions")],
      [number(figures.hours, { maximumFractionDigits: 1 }), t("sessions.usage.hours")],
      [number(figures.words), t("sessions.usage.words")],
      [number(figures.corrections), t("sessions.usage.corrections")],
      [mean === null ? "–" : number(mean, { maximumFractionDigits: 1 }), t("sessions.usage.satisfaction")],
    ];
    place.replaceChildren(
      h(
        "dl",
        { class: "figures" },
        ...listed.map(([value, label]) =>
          h("div", {}, h("dt", { class: "hint" }, label), h("dd", { class: "number" }, value)),
        ),
      ),
      h("p", { class: "hint" }, t("sessions.usage.span")),
      h("p", {}, h("a", { href: "/v1/usage/csv", download: "usage.csv" }, t("sessions.usage.csv"))),
    );
  } catch (error) {
    place.replaceChildren(h("p", { class: "hint" }, error instanceof Error ? error.message : String(error)));
  }
}

/** Ask for a rating. @param {(error: unknown) => void} fail */
export function feedback(fail) {
  const place = find("#feedback", HTMLElement);
  const comment = h("textarea", { class: "textarea", id: "comment", rows: 2, maxlength: 2000 });
  const send = h(
    "form",
    { class: "stack", onsubmit: (event) => void given(event) },
    h(
      "fieldset",
      { class: "ratings" },
      h("legend", { class: "visually-hidden" }, t("sessions.feedback.rating")),
      h(
        "div",
        { class: "segmented" },
        ...[1, 2, 3, 4, 5].map((rating) =>
          h(
            "label",
            {},
            h("input", { type: "radio", name: "rating", value: rating, required: true, "aria-label": t("sessions.feedback.of", { rating }) }),
            String(rating),
          ),
        ),
      ),
    ),
    h("div", { class: "field" }, h("label", { for: "comment" }, t("sessions.feedback.comment")), comment),
    h("button", { class: "button button--small" }, t("sessions.feedback.send")),
  );
  place.replaceChildren(send);
  /** @param {SubmitEvent} event */
  async function given(event) {
    event.preventDefault();
    const rating = Number(new FormData(send).get("rating"));
    try {
      await post("/v1/usage/feedback", { rating, comment: comment.value });
      place.replaceChildren(h("p", { role: "status" }, t("sessions.feedback.thanks")));
      void usage();
    } catch (error) {
      fail(error);
    }
  }
}

/** The server's state: load and lag over the last hour, and its models. */

import { ApiError, get } from "../core/api.js";
import { find, h } from "../core/dom.js";
import { has, number, t } from "../core/i18n.js";
import { chart } from "./chart.js";

const PULSE_MS = 5_000;

/** Draw the last hour, and go on doing so. */
export async function server() {
  const place = find("#server", HTMLElement);
  try {
    const pulse = await get("/v1/pulse");
    const samples = pulse.samples;
    const mb = (/** @type {number} */ bytes) =>
      `${number(bytes / 1_048_576, { maximumFractionDigits: 0 })} MiB`;
    place.replaceChildren(
      chart(t("sessions.chart.sessions"), samples.map((/** @type {any} */ one) => one.sessions), (value) => number(value), 2),
      chart(
        t("sessions.chart.lag"),
        samples.map((/** @type {any} */ one) => one.lag_ms),
        (value) => `${number(value / 1000, { maximumFractionDigits: 1 })} s`,
        2000,
      ),
      chart(
        t("sessions.chart.load"),
        samples.map((/** @type {any} */ one) => one.load),
        (value) => number(value, { style: "percent" }),
        1,
      ),
      chart(
        t("sessions.chart.memory"),
        samples.map((/** @type {any} */ one) => one.memory_bytes),
        mb,
        pulse.samples.at(-1)?.memory_bytes * 1.5 || 1,
      ),
    );
  } catch (error) {
    if (error instanceof ApiError && !error.retryable) {
      place.replaceChildren(h("p", { class: "hint" }, error.message));
      return;
    }
  }
  setTimeout(server, PULSE_MS);
}

/** List the models with their checksums. */
export async function models() {
  const place = find("#models", HTMLElement);
  try {
    const { models: known, ready, reason } = await get("/v1/models");
    place.replaceChildren(
      h("p", { class: `notice notice--${ready ? "good" : "warn"} models__ready` }, ready ? t("sessions.ready") : reason),
      known.length
        ? h("ul", { class: "models", role: "list" }, ...known.map(model))
        : h("p", { class: "hint" }, t("sessions.models.none")),
    );
  } catch (error) {
    place.replaceChildren(h("p", { class: "hint" }, error instanceof Error ? error.message : String(error)));
  }
}

/** @param {any} one */
function model(one) {
  const kind = { loaded: "good", loading: "warn", failed: "bad", missing: "warn" }[/** @type {string} */ (one.state)];
  return h(
    "li",
    {},
    h(
      "p",
      { class: "models__line" },
      h("strong", {}, one.name),
      h("span", { class: `badge${kind ? ` badge--${kind}` : ""}` }, t(`sessions.model.${one.state}`)),
    ),
    h(
      "p",
      { class: "hint" },
      [has(`sessions.role.${one.role}`) ? t(`sessions.role.${one.role}`) : one.role, one.engine, one.settings]
        .filter(Boolean)
        .join(" · "),
    ),
    one.digest
      ? h(
          "details",
          {},
          h("summary", { class: "hint" }, `${t("sessions.digest")} ${one.digest.slice(0, 12)}…`),
          h("code", { class: "models__digest" }, one.digest),
        )
      : null,
  );
}

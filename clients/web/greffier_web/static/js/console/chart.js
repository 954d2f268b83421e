/** A small line over the last hour, drawn as SVG, with its figures as text. */

import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 44;

/**
 * @param {string} label
 * @param {(number | null)[]} values oldest first; null = no measure then
 * @param {(value: number) => string} write
 * @param {number} [least] the top of the scale is at least this
 */
export function chart(label, values, write, least = 1) {
  const measured = values.filter((value) => value !== null);
  const last = measured.at(-1);
  const now = last === undefined ? t("sessions.chart.none") : write(last);
  const range = measured.length
    ? t("sessions.chart.range", {
        least: write(Math.min(...measured)),
        most: write(Math.max(...measured)),
      })
    : "";
  return h(
    "figure",
    { class: "chart" },
    h(
      "figcaption",
      { class: "chart__line" },
      h("span", {}, label),
      h("strong", { class: "number", title: range }, now),
    ),
    measured.length > 1 ? line(values, Math.max(least, ...measured)) : null,
    h("span", { class: "visually-hidden" }, range),
  );
}

/** @param {(number | null)[]} values @param {number} top */
function line(values, top) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const step = WIDTH / Math.max(1, values.length - 1);
  let drawn = "";
  let pen = false;
  values.forEach((value, index) => {
    if (value === null) {
      pen = false;
      return;
    }
    const y = HEIGHT - 2 - (value / top) * (HEIGHT - 4);
    drawn += `${pen ? "L" : "M"}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    // A lone measure is a point.
    if (!pen && (values[index + 1] ?? null) === null) drawn += "h.1";
    pen = true;
  });
  for (const [name, path] of [
    ["chart__base", `M0 ${HEIGHT - 1}H${WIDTH}`],
    ["chart__curve", drawn],
  ]) {
    const element = document.createElementNS(SVG, "path");
    element.setAttribute("class", name ?? "");
    element.setAttribute("d", path ?? "");
    element.setAttribute("vector-effect", "non-scaling-stroke");
    svg.append(element);
  }
  return svg;
}

/** What this server can do, as far as its models tell. */

import { get } from "./api.js";

/** Whether nothing here writes: no translations, no minutes. */
export async function writesNothing() {
  /** @type {{ models: { role: string, state: string }[] }} */
  const { models } = await get("/v1/models");
  const hears = models.some((model) => model.role === "recognition" && model.state === "loaded");
  const writers = models.filter((model) => model.role === "language");
  // A server that has loaded what it hears with, and lists no language model, was set up without.
  if (writers.length === 0) return hears;
  return writers.every((model) => !["loaded", "loading"].includes(model.state));
}

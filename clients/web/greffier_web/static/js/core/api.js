/** Requests to this server: JSON in, JSON out, errors with the server's stable codes. */

import { has, t } from "./i18n.js";

/** What the server refused. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 = the server was not reached
   * @param {string} code stable
   * @param {string} message for people
   * @param {boolean} retryable
   */
  constructor(status, code, message, retryable) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryable = retryable;
  }
}

/**
 * The text for an error code: ours where there is one, else what the server said.
 * @param {string} code
 * @param {string} message
 */
export function explain(code, message) {
  return has(`error.${code}`) ? t(`error.${code}`) : message;
}

/**
 * @typedef {object} Options
 * @property {unknown} [body] sent as JSON
 * @property {AbortSignal} [signal]
 * @property {string} [link] secret of a viewer link, instead of the signed-in visitor
 */

/**
 * Ask, and return the JSON of the answer (undefined for an empty one).
 *
 * A visitor who is not (or no longer) signed in is led to the sign-in page and back.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function request(method, path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.link) headers.Authorization = `Link ${options.link}`;
  const coming = fetch(path, {
    method,
    headers,
    credentials: "same-origin",
    cache: "no-store",
    body: options.body === undefined ? null : JSON.stringify(options.body),
    signal: options.signal ?? null,
  });
  return taken(coming, options);
}

/**
 * What `request` returns of an answer that is on its way already.
 * @param {Promise<Response>} coming
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function taken(coming, options = {}) {
  let answer;
  try {
    answer = await coming;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", t("error.unreachable"), true);
  }
  if (answer.ok) {
    const text = await answer.text();
    return text === "" ? undefined : JSON.parse(text);
  }
  const said = await answer.json().catch(() => ({}));
  const code = typeof said.code === "string" ? said.code : `http_${answer.status}`;
  if (code === "authentication_required" && !options.link) signIn();
  throw new ApiError(
    answer.status,
    code,
    explain(code, String(said.message ?? answer.statusText)),
    said.retryable === true,
  );
}

/**
 * @param {string} path
 * @param {Options} [options]
 */
export const get = (path, options) => request("GET", path, options);

/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {Options} [options]
 */
export const post = (path, body, options) => request("POST", path, { ...options, body });

/**
 * @param {string} path
 * @param {unknown} body
 * @param {Options} [options]
 */
export const put = (path, body, options) => request("PUT", path, { ...options, body });

/**
 * @param {string} path
 * @param {unknown} body
 * @param {Options} [options]
 */
export const patch = (path, body, options) => request("PATCH", path, { ...options, body });

/**
 * @param {string} path
 * @param {Options} [options]
 */
export const remove = (path, options) => request("DELETE", path, options);

/** Leave for the sign-in page; it comes back here. */
export function signIn() {
  const next = location.pathname + location.search;
  location.assign(`/sign-in?next=${encodeURIComponent(next)}`);
}

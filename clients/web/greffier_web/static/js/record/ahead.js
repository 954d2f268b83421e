/** Asks for the beginning of a record before the rest of the page's scripts have come. */

/** Segments of the first screen, and some more. */
export const FIRST = 80;

const session = decodeURIComponent(location.pathname.split("/")[2] ?? "");

/** Address of the session. */
export const api = `/v1/sessions/${encodeURIComponent(session)}`;

/** Name of the session. */
export const name = session;

/** Answers on their way; whoever takes them hears of their failure. */
export const ahead = {
  record: ask(`${api}/record?limit=${FIRST}`),
  corrections: ask(`${api}/corrections`),
};

/** @param {string} path */
function ask(path) {
  const coming = fetch(path, {
    headers: { Accept: "application/json" },
    credentials: "same-origin",
    cache: "no-store",
  });
  coming.catch(() => undefined);
  return coming;
}

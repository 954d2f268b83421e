import { GreffierError } from "./errors.js";

/** The address of `/v1/live` at a server given as ws:, wss:, http: or https: URL. */
export function liveUrl(server: string | URL): string {
  let url: URL;
  try {
    url = new URL(server);
  } catch {
    throw new GreffierError("bad_address", "write the server as wss://host or ws://host:port");
  }
  const schemes: Record<string, string> = {
    "ws:": "ws:", "wss:": "wss:", "http:": "ws:", "https:": "wss:",
  };
  const scheme = schemes[url.protocol];
  if (scheme === undefined) {
    throw new GreffierError("bad_address", "write the server as wss://host or ws://host:port");
  }
  const path = url.pathname.replace(/\/+$/, "");
  return `${scheme}//${url.host}${path}/v1/live`;
}

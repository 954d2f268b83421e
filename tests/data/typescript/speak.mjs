// Speaks a file of PCM into a session at a pace, watches it beside, and writes what it hears as JSON
// lines: node speak.mjs DIST SPEAK_URL WATCH_URL PCM PACE TOKEN

import { readFileSync } from "node:fs";

const [dist, speakUrl, watchUrl, path, pace, token] = process.argv.slice(2);
const { connect, watch, GreffierError } = await import(dist);
const tell = (who, what) => process.stdout.write(JSON.stringify({ who, ...what }) + "\n");

const retry = { attempts: 40, firstMs: 50, longestMs: 500 };
const session = await connect(speakUrl, {
  token, language: "en", minutes: false, title: "TypeScript", retry,
  onReconnect: (again) => again.resumed && tell("speaker", { type: "resumed" }),
});
tell("speaker", { type: "open", session: session.id });
const hearing = (async () => {
  for await (const message of session) tell("speaker", message);
})();
const watching = (async () => {
  const onReconnect = (again) => again.resumed && tell("viewer", { type: "resumed" });
  const options = { session: session.id, token, retry, onReconnect };
  for await (const message of watch(watchUrl, options)) tell("viewer", message);
})();
const pcm = new Uint8Array(readFileSync(path));
const step = 3200; // 100 ms
const begun = performance.now();
for (let at = 0; at < pcm.length; at += step) {
  const due = begun + at / 32 / Number(pace);
  await new Promise((done) => setTimeout(done, Math.max(0, due - performance.now())));
  await session.send(pcm.subarray(at, at + step));
}
await session.finish();
await hearing;
await watching;
tell("speaker", { type: "done", sent_ms: session.sentMs, acknowledged_ms: session.acknowledgedMs });
try {
  await connect(speakUrl, { token: "wrong-token-wrong-token" });
} catch (error) {
  tell("speaker", { type: "refused", known: error instanceof GreffierError, code: error.code });
}
session.close();

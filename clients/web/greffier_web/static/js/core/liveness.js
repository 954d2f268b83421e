/**
 * Whether a socket is still alive. Scripts do not see its pings, and a dead one may look open for
 * minutes: after a silence, the server is asked by other means whether it is there.
 */

const SILENCE_MS = 25_000;
const ANSWER_MS = 8_000;
/** Silent for so long, a socket is replaced though the server answers: a router on the way may have forgotten it alone. */
const STALE_MS = 45_000;

/**
 * Watch over a socket; close it and tell when it is dead, or when the network is another.
 * @param {WebSocket} socket
 * @param {(stale: boolean) => void} onDead called once; the socket's own `close` may come much later. `stale`: the
 *   server is there, and there may have been nothing to say
 * @returns {() => void} ends the watch
 */
export function whenDead(socket, onDead) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let heardAt = performance.now();
  const dead = (stale = false) => {
    leave();
    socket.close();
    onDead(stale);
  };
  const elsewhere = () => dead();
  const ask = async () => {
    try {
      await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    } catch {
      if (timer !== undefined) dead();
      return;
    }
    if (timer !== undefined && performance.now() - heardAt > STALE_MS) dead(true);
    else again();
  };
  const again = () => {
    if (timer === undefined) return;
    clearTimeout(timer);
    timer = setTimeout(ask, SILENCE_MS);
  };
  const heard = () => {
    heardAt = performance.now();
    again();
  };
  const leave = () => {
    clearTimeout(timer);
    timer = undefined;
    window.removeEventListener("online", elsewhere);
    socket.removeEventListener("message", heard);
  };
  timer = setTimeout(ask, SILENCE_MS);
  socket.addEventListener("message", heard);
  window.addEventListener("online", elsewhere);
  return leave;
}

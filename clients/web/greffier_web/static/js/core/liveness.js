/**
 * Whether a socket is still alive. Scripts do not see its pings, and a dead one may look open for
 * minutes: after a silence, the server is asked by other means whether it is there.
 */

const SILENCE_MS = 25_000;
const ANSWER_MS = 8_000;

/**
 * Watch over a socket; close it and tell when it is dead, or when the network is another.
 * @param {WebSocket} socket
 * @param {() => void} onDead called once; the socket's own `close` may come much later
 * @returns {() => void} ends the watch
 */
export function whenDead(socket, onDead) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const dead = () => {
    leave();
    socket.close();
    onDead();
  };
  const ask = async () => {
    try {
      await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
      heard();
    } catch {
      if (timer !== undefined) dead();
    }
  };
  const heard = () => {
    if (timer === undefined) return;
    clearTimeout(timer);
    timer = setTimeout(ask, SILENCE_MS);
  };
  const leave = () => {
    clearTimeout(timer);
    timer = undefined;
    window.removeEventListener("online", dead);
    socket.removeEventListener("message", heard);
  };
  timer = setTimeout(ask, SILENCE_MS);
  socket.addEventListener("message", heard);
  window.addEventListener("online", dead);
  return leave;
}

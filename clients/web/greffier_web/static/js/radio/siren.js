/** The sound of an alert: two tones, made here; browsers allow it after a first click. */

/** @type {AudioContext | null} */
let context = null;

/** Let sounds be made; call it from a click. */
export async function allow() {
  context ??= new AudioContext();
  if (context.state === "suspended") await context.resume().catch(() => undefined);
  return context.state === "running";
}

/** Two tones, three times for distress; nothing where sounds are not allowed. @param {number} [times] */
export function ring(times = 3) {
  if (context?.state !== "running") return false;
  const gain = context.createGain();
  gain.connect(context.destination);
  const begin = context.currentTime + 0.02;
  for (let index = 0; index < 2 * times; index += 1) {
    const tone = context.createOscillator();
    tone.frequency.value = index % 2 ? 1300 : 2200; // the alarm of 2182 kHz had these two
    tone.connect(gain);
    tone.start(begin + 0.25 * index);
    tone.stop(begin + 0.25 * (index + 1));
  }
  gain.gain.setValueAtTime(0.25, begin);
  gain.gain.setValueAtTime(0, begin + 0.5 * times);
  return true;
}

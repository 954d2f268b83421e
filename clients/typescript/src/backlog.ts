/** Audio that is not yet on the server's disk: what a new connection has to send again. */
export class Backlog {
  #pieces: Uint8Array[] = [];
  #first: number;
  #end: number;

  /**
   * @param frameBytes bytes of one sample of every channel
   * @param firstSample what the server holds already
   */
  constructor(
    private readonly frameBytes: number,
    firstSample = 0,
  ) {
    this.#first = this.#end = firstSample;
  }

  /** The oldest sample that is kept. */
  get firstSample(): number {
    return this.#first;
  }

  /** One past the newest sample. */
  get endSample(): number {
    return this.#end;
  }

  /** How many are kept. */
  get samples(): number {
    return this.#end - this.#first;
  }

  /** Take whole frames; the bytes are the backlog's own from now on. */
  append(audio: Uint8Array): void {
    this.#pieces.push(audio);
    this.#end += audio.byteLength / this.frameBytes;
  }

  /** Forget what lies before `sample`. */
  dropBefore(sample: number): void {
    while (this.#first < Math.min(sample, this.#end)) {
      const piece = this.#pieces[0]!;
      const held = piece.byteLength / this.frameBytes;
      const taken = Math.min(held, sample - this.#first);
      if (taken === held) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(taken * this.frameBytes);
      this.#first += taken;
    }
  }

  /** Some audio from `sample` on, at most `limit` samples. */
  read(sample: number, limit: number): Uint8Array {
    let at = this.#first;
    for (const piece of this.#pieces) {
      const held = piece.byteLength / this.frameBytes;
      if (sample < at + held) {
        const from = sample - at;
        const to = Math.min(held, from + limit);
        return piece.subarray(from * this.frameBytes, to * this.frameBytes);
      }
      at += held;
    }
    return new Uint8Array();
  }
}

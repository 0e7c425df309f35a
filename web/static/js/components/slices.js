// @ts-check

/** How many items of a list are drawn at first; the others follow, so many in each frame. */
const size = 20;

/** Draws a long list in parts, one in each frame, so that none of them keeps the page from answering. What has been drawn once is drawn at once again. */
export class Slices {
  #drawn = size;
  #frame = 0;

  /** @param {AbortSignal} signal */
  constructor(signal) {
    signal.addEventListener('abort', () => cancelAnimationFrame(this.#frame), { once: true });
  }

  /**
   * @param {number} count How many items there are.
   * @param {(shown: number) => void} draw Draws the first ones.
   * @param {number} [least] How many are wanted at once.
   */
  show(count, draw, least = 0) {
    cancelAnimationFrame(this.#frame);
    this.#drawn = Math.max(this.#drawn, least);
    draw(Math.min(this.#drawn, count));
    if (this.#drawn >= count) return;
    this.#frame = requestAnimationFrame(() => {
      this.#drawn += size;
      this.show(count, draw);
    });
  }
}

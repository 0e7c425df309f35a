// @ts-check

/**
 * Draws each part of the page at most once a frame, and no more often than the part wants, however many messages have changed it. A
 * hidden page gets no frames: what has changed by the time it is looked at again is then drawn in one go. A part that fails does not keep
 * the others from being drawn.
 */
export class Frames {
  /** @type {Set<() => void>} */
  #due = new Set();
  /** Parts that wait for their time. @type {Set<() => void>} */
  #waiting = new Set();
  /** When each part was drawn last, by the steady clock. @type {Map<() => void, number>} */
  #drawn = new Map();
  #requested = false;

  /**
   * @param {() => void} draw The same function for the same part.
   * @param {number} [pace] The least time between two drawings, in milliseconds.
   */
  request(draw, pace = 0) {
    if (this.#due.has(draw) || this.#waiting.has(draw)) return;
    const wait = (this.#drawn.get(draw) ?? -Infinity) + pace - performance.now();
    if (wait > 0) {
      this.#waiting.add(draw);
      setTimeout(() => {
        this.#waiting.delete(draw);
        this.#request(draw);
      }, wait);
    } else {
      this.#request(draw);
    }
  }

  /** @param {() => void} draw */
  #request(draw) {
    this.#due.add(draw);
    if (this.#requested) return;
    this.#requested = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const due = [...this.#due];
    this.#due.clear();
    this.#requested = false;
    for (const draw of due) {
      this.#drawn.set(draw, performance.now());
      try {
        draw();
      } catch (error) {
        reportError(error);
      }
    }
  }
}

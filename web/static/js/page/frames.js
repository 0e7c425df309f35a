// @ts-check

/**
 * Draws each part of the page at most once a frame, however many messages have changed it. A hidden page gets no frames:
 * what has changed by the time it is looked at again is then drawn in one go. A part that fails does not keep the others from
 * being drawn.
 */
export class Frames {
  /** @type {Set<() => void>} */
  #due = new Set();
  #requested = false;

  /** @param {() => void} draw The same function for the same part. */
  request(draw) {
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
      try {
        draw();
      } catch (error) {
        reportError(error);
      }
    }
  }
}

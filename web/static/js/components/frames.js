// @ts-check

/** On a slow machine a part waits so many times as long as its last drawing took, so that it takes a small share of the time. */
const rest = 20;

/** Nothing waits longer than this for its next drawing, in milliseconds. */
const longestRest = 5000;

/**
 * Draws each part of the page at most once a frame, and no more often than the part wants and the machine is fast enough for, however
 * many messages have changed it. A hidden page gets no frames: what has changed by the time it is looked at again is then drawn in one
 * go. A part that fails does not keep the others from being drawn. Once the signal has ended nothing is drawn.
 */
export class Frames {
  /** @type {Set<() => void>} */
  #due = new Set();
  /** Parts that wait for their time. @type {Map<() => void, ReturnType<typeof setTimeout>>} */
  #waiting = new Map();
  /** When the last drawing of each part ended, by the steady clock, and how long it took. @type {Map<() => void, {at: number, took: number}>} */
  #drawn = new Map();
  #requested = false;
  #signal;

  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#waiting.forEach((timer) => clearTimeout(timer)), { once: true });
  }

  /**
   * @param {() => void} draw The same function for the same part.
   * @param {number} [pace] The least time between two drawings, in milliseconds.
   */
  request(draw, pace = 0) {
    if (this.#signal.aborted || this.#due.has(draw) || this.#waiting.has(draw)) return;
    const { at, took } = this.#drawn.get(draw) ?? { at: -Infinity, took: 0 };
    const wait = at + Math.max(pace, Math.min(rest * took, longestRest)) - performance.now();
    if (wait > 0) {
      const timer = setTimeout(() => {
        this.#waiting.delete(draw);
        this.#request(draw);
      }, wait);
      this.#waiting.set(draw, timer);
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
    if (this.#signal.aborted) return;
    for (const draw of due) {
      const began = performance.now();
      try {
        draw();
      } catch (error) {
        reportError(error);
      }
      const at = performance.now();
      this.#drawn.set(draw, { at, took: at - began });
    }
  }
}

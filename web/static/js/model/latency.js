// @ts-check
import { Store } from './store.js';

/**
 * Measures how old readings are when they reach the page. It remembers the newest readings only, so its result is the
 * present and not the average of the day.
 */
export class LatencyMeter extends Store {
  #samples;
  #count = 0;

  /** @param {number} [capacity] */
  constructor(capacity = 500) {
    super();
    this.#samples = new Float64Array(capacity);
  }

  /** @param {number[]} ages In milliseconds. */
  add(ages) {
    for (const age of ages) this.#samples[this.#count++ % this.#samples.length] = Math.max(0, age);
    this.changed();
  }

  reset() {
    this.#count = 0;
    this.changed();
  }

  /**
   * Returns the median and the 95th percentile of the ages, in milliseconds, or null when there were no readings.
   *
   * @returns {{p50: number, p95: number} | null}
   */
  quantiles() {
    const size = Math.min(this.#count, this.#samples.length);
    if (size === 0) return null;
    const sorted = this.#samples.slice(0, size).sort();
    /** @param {number} q */
    const at = (q) => sorted[Math.ceil(q * size) - 1] ?? 0;
    return { p50: at(0.5), p95: at(0.95) };
  }
}

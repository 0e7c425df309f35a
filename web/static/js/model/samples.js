// @ts-check

/** @typedef {[time: number, value: number | null]} Point Milliseconds since the epoch; a null value is a gap. */

/** A pause is a gap when it is so many times as long as the usual interval, */
const unusual = 4;
/** and at least so long, in milliseconds. */
const shortestGap = 30_000;

/** The readings of one device over a range of time: archived ones, and live ones as they come, in any order. */
export class SampleSeries {
  /** @type {Map<number, number>} */
  #values = new Map();
  /** Those of quality bad, by their time. @type {Map<number, number>} */
  #bad = new Map();
  #sorted = true;
  #newest = -Infinity;

  get size() {
    return this.#values.size + this.#bad.size;
  }

  /**
   * A reading is identified by its time; the same one again changes nothing.
   *
   * @param {number} time
   * @param {number} value
   * @param {boolean} [bad] that the value is none to go by: it is no part of the line.
   */
  add(time, value, bad = false) {
    if (this.#values.has(time) || this.#bad.has(time)) return;
    if (bad) {
      this.#bad.set(time, value);
      return;
    }
    this.#values.set(time, value);
    this.#sorted &&= time > this.#newest;
    this.#newest = Math.max(time, this.#newest);
  }

  /**
   * Forgets what is older than a time.
   *
   * @param {number} from
   */
  trim(from) {
    this.#sort();
    for (const time of this.#bad.keys()) {
      if (time < from) this.#bad.delete(time);
    }
    for (const time of this.#values.keys()) {
      if (time >= from) return;
      this.#values.delete(time);
    }
  }

  /**
   * Returns the readings of quality bad, in any order.
   *
   * @returns {Point[]}
   */
  bad() {
    return [...this.#bad];
  }

  /**
   * Returns the readings, oldest first, with a null between two that are unusually far apart: the device was silent, and a
   * line through the silence would show values that nobody has measured.
   *
   * @returns {Point[]}
   */
  points() {
    this.#sort();
    const entries = [...this.#values];
    const gap = longestPause(entries.map(([time]) => time));
    /** @type {Point[]} */
    const points = [];
    for (const [time, value] of entries) {
      const before = points.at(-1)?.[0];
      if (before !== undefined && time - before > gap) points.push([before + 1, null]);
      points.push([time, value]);
    }
    return points;
  }

  #sort() {
    if (this.#sorted) return;
    this.#values = new Map([...this.#values].sort(([a], [b]) => a - b));
    this.#sorted = true;
  }
}

/**
 * Returns the longest time between two readings that is no gap.
 *
 * @param {number[]} times Ascending.
 */
function longestPause(times) {
  const pauses = times.slice(1).map((time, i) => time - Number(times[i]));
  pauses.sort((a, b) => a - b);
  const median = pauses[pauses.length >> 1] ?? 0;
  return Math.max(shortestGap, unusual * median);
}

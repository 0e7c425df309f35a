// @ts-check
import { rangeStep, ranges } from './series.js';
import { Store } from './store.js';

/**
 * @typedef {import('./protocol.js').AggregateData} AggregateData
 * @typedef {import('./protocol.js').AggregatedData} AggregatedData
 *
 * @typedef {object} WindowPoint One window, or several merged, of one device type.
 * @property {number} start In milliseconds since the epoch.
 * @property {boolean} final False while the window may still grow.
 * @property {number} count
 * @property {number | null} average
 * @property {number | null} max
 * @property {number | null} min
 * @property {number} devices
 * @property {boolean} [corrected] that the archive has recomputed it, of more readings than live messages knew of
 */

/** The minimum number of windows of each type that are kept: those of a server's snapshot and as many again. */
const fewestKept = 240;

/** The minimum time between two requests to the archive, however often it reports corrections, in milliseconds. */
export const correctedPause = 10_000;

/** After so many windows the archive has been asked again for those of live messages. */
export const archivedAfter = 60;

/**
 * Returns how many windows of each type are kept: all of the longest step that a chart shows, until the archive has them.
 *
 * @param {number} windowSeconds
 */
export function keptWindows(windowSeconds) {
  const longest = Math.max(...ranges.map((range) => rangeStep(range, windowSeconds))) / windowSeconds;
  return Math.max(fewestKept, longest + 2 * archivedAfter);
}

/**
 * @param {number} start
 * @param {boolean} final
 * @param {AggregateData} data
 * @param {boolean} [corrected]
 * @returns {WindowPoint}
 */
export function windowPoint(start, final, data, corrected = false) {
  return {
    ...(corrected && { corrected }),
    start,
    final,
    count: data.count,
    average: data.avg_value,
    max: data.max_value,
    min: data.min_value,
    devices: data.device_count,
  };
}

/**
 * Holds the newest windows of the live messages.
 *
 * @extends {Store<{cleared?: boolean}>}
 */
export class WindowStore extends Store {
  /** By type, windows by their start. @type {Map<string, Map<number, WindowPoint>>} */
  #types = new Map();
  /** The start of the oldest window that was received and is still kept, and that of the newest. */
  #oldest = Infinity;
  #newest = -Infinity;

  clear() {
    this.#types.clear();
    this.#oldest = Infinity;
    this.#newest = -Infinity;
    this.changed({ cleared: true });
  }

  /** The time from which on no window is missing, in milliseconds since the epoch; Infinity before the first. */
  get since() {
    return this.#oldest;
  }

  /**
   * Adds a window; it replaces an earlier message about the same one.
   *
   * @param {AggregatedData} message
   */
  apply(message) {
    const start = Date.parse(message.window_start);
    const length = (keptWindows(message.window_seconds) - 1) * message.window_seconds * 1000;
    if (start < this.#newest - length) return;
    for (const [type, data] of Object.entries(message.data)) {
      let windows = this.#types.get(type);
      if (!windows) this.#types.set(type, (windows = new Map()));
      windows.set(start, windowPoint(start, message.final, data, message.corrected));
    }
    this.#oldest = Math.min(this.#oldest, start);
    if (start > this.#newest) this.#forget((this.#newest = start) - length);
    this.changed({});
  }

  /** @param {number} before */
  #forget(before) {
    if (this.#oldest >= before) return;
    this.#oldest = before;
    for (const windows of this.#types.values()) {
      for (const start of windows.keys()) {
        if (start < before) windows.delete(start);
      }
    }
  }

  /**
   * Returns the windows of a type, oldest first.
   *
   * @param {string} type
   */
  of(type) {
    return [...(this.#types.get(type)?.values() ?? [])].sort((a, b) => a.start - b.start);
  }

  /**
   * Returns the newest window of a type that holds readings.
   *
   * @param {string} type
   */
  newest(type) {
    return this.of(type).findLast((point) => point.count > 0);
  }
}

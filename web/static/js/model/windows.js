// @ts-check

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
 */

/** How many windows of each type are kept: what a server tells at connecting and as much again. */
export const keptWindows = 240;

/**
 * @param {number} start
 * @param {boolean} final
 * @param {AggregateData} data
 * @returns {WindowPoint}
 */
export function windowPoint(start, final, data) {
  return {
    start,
    final,
    count: data.count,
    average: data.avg_value,
    max: data.max_value,
    min: data.min_value,
    devices: data.device_count,
  };
}

/** Holds the newest windows as the live messages tell them. */
export class WindowStore {
  /** By type, windows by their start. @type {Map<string, Map<number, WindowPoint>>} */
  #types = new Map();

  clear() {
    this.#types.clear();
  }

  /**
   * Takes in a window; it replaces what is known of the same one.
   *
   * @param {AggregatedData} message
   */
  apply(message) {
    const start = Date.parse(message.window_start);
    for (const [type, data] of Object.entries(message.data)) {
      let windows = this.#types.get(type);
      if (!windows) this.#types.set(type, (windows = new Map()));
      windows.set(start, windowPoint(start, message.final, data));
      if (windows.size > keptWindows) windows.delete(Math.min(...windows.keys()));
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

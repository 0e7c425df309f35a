// @ts-check
import { everyDevice, matches } from './devices.js';

/**
 * @typedef {import('./protocol.js').Device} Device
 * @typedef {import('./devices.js').DeviceFilter} DeviceFilter
 */

/**
 * Keeps the newest readings that a filter lets through, newest first. While it is held, new readings are counted and kept
 * apart, as many as fit; when it is released they are shown.
 */
export class ReadingLog {
  /** @type {DeviceFilter} */
  filter = everyDevice;
  /** @type {Device[]} */
  #rows = [];
  /** Newest last. @type {Device[]} */
  #waiting = [];
  #missed = 0;

  /** @param {number} [capacity] */
  constructor(capacity = 200) {
    this.capacity = capacity;
  }

  get rows() {
    return this.#rows;
  }

  /** How many readings have come that are not among the rows yet. */
  get missed() {
    return this.#missed;
  }

  /** @param {Device[]} devices Oldest first. */
  add(devices) {
    for (const device of devices) {
      if (!matches(this.filter, device)) continue;
      this.#waiting.push(device);
      this.#missed++;
    }
    // The queue is cut in halves rather than at each reading, which would move it every time.
    if (this.#waiting.length > 2 * this.capacity) this.#waiting = this.#waiting.slice(-this.capacity);
  }

  /**
   * Moves what is waiting to the rows and returns how many of them are new. If the filter has a status, rows of devices
   * whose status has changed since are removed: a list of offline devices shows those that are offline now.
   *
   * @param {(id: string) => Device | undefined} current
   */
  release(current) {
    const fresh = this.#waiting.slice(-this.capacity).reverse();
    this.#waiting = [];
    this.#missed = 0;
    this.#rows = [...fresh, ...this.#rows];
    const { status } = this.filter;
    if (status) this.#rows = onePerDevice(this.#rows.filter((row) => current(row.device_id)?.status === status));
    this.#rows.length = Math.min(this.#rows.length, this.capacity);
    return fresh.length;
  }

  /**
   * Drops the readings of devices that are no more.
   *
   * @param {Set<string>} devices
   */
  remove(devices) {
    const stays = (/** @type {Device} */ { device_id: id }) => !devices.has(id);
    this.#rows = this.#rows.filter(stays);
    this.#waiting = this.#waiting.filter(stays);
    this.#missed = Math.min(this.#missed, this.#waiting.length);
  }

  /**
   * Starts over under a filter, with the devices that match it as they are now.
   *
   * @param {DeviceFilter} filter
   * @param {Device[]} devices Newest first.
   */
  restart(filter, devices) {
    this.filter = filter;
    this.#waiting = [];
    this.#missed = 0;
    this.#rows = devices.slice(0, this.capacity);
  }
}

/**
 * A device that is asked for by its status is listed once: its newest row.
 *
 * @param {Device[]} rows Newest first.
 */
function onePerDevice(rows) {
  const seen = new Set();
  return rows.filter(({ device_id: id }) => !seen.has(id) && seen.add(id));
}

// @ts-check
import { Store } from './store.js';

/** @typedef {import('./protocol.js').DeviceStatus} DeviceStatus */

/** How many devices there are, online and offline, and how fast their readings come. */
export class StatusStore extends Store {
  /** Null before the first message. @type {DeviceStatus | null} */
  #latest = null;

  get latest() {
    return this.#latest;
  }

  /** @param {DeviceStatus} message */
  apply(message) {
    this.#latest = message;
    this.changed();
  }
}

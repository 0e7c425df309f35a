// @ts-check
import { Store } from './store.js';

/**
 * Derives the server's time from this browser's clock, however wrong that is. Of all the differences seen, the one of the
 * fastest message is nearest to the truth: delay can only make a message look older. The estimate drifts upwards slowly, so
 * that it follows a clock that is set right in between. It calls its followers every second.
 */
export class ServerClock extends Store {
  /** The server's time minus this browser's, in milliseconds. */
  #offset = 0;
  #known = false;

  /** The share of the difference to a slower message by which the estimate moves. */
  static #drift = 0.001;

  #local;

  /** @param {() => number} [local] This browser's time, by a clock that nobody can set. */
  constructor(local = localTime) {
    super();
    this.#local = local;
  }

  /** The server's time. */
  now() {
    return this.at(this.#local());
  }

  /** To be called every second. */
  tick() {
    this.changed();
  }

  /** Forgets everything: another server may have another clock. */
  reset() {
    this.#offset = 0;
    this.#known = false;
  }

  /**
   * Learns from a message and returns how long it has been on its way beyond the fastest one, in milliseconds.
   *
   * @param {number} sent The server's time in the message.
   * @param {number} received This browser's time at its arrival.
   */
  observe(sent, received) {
    const difference = sent - received;
    const late = this.#known ? this.#offset - difference : 0;
    if (late > 0) {
      this.#offset -= late * ServerClock.#drift;
      return late;
    }
    this.#offset = difference;
    this.#known = true;
    return 0;
  }

  /**
   * Returns the server's time at the moment at which this browser's clock shows local.
   *
   * @param {number} local
   */
  at(local) {
    return local + this.#offset;
  }
}

/** This browser's time since the epoch; wrong by as much as the machine's clock was when the page was loaded. */
export function localTime() {
  return performance.timeOrigin + performance.now();
}

// @ts-check

/**
 * Tells the server's time from this browser's clock, however wrong that is. Of all the differences seen, the one of the
 * fastest message is nearest to the truth: delay can only make a message look older. The estimate drifts upwards slowly, so
 * that a clock that is set right in between is followed.
 */
export class ServerClock {
  /** The server's time minus this browser's, in milliseconds. */
  #offset = 0;
  #known = false;

  /** How much of the difference to a slower message is given way to. */
  static #drift = 0.001;

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

// @ts-check

/** The wall clock and the steady clock may differ by so much, in milliseconds, before one of them counts as having jumped. */
const jump = 5000;

/** How long a message may take to come after a jump before the wall clock counts, in milliseconds. */
const trial = 3000;

/**
 * @typedef {object} Reading Of both clocks of the browser, in milliseconds.
 * @property {number} wall Date.now(): it is set by people, and goes on while the machine sleeps.
 * @property {number} steady performance.now(): it never jumps, and may stand still while the machine sleeps.
 */

/**
 * Knows how long ago the last message came. A wall clock that has been set an hour ahead is no hour of silence. As a machine that has
 * slept for an hour looks the same at first, the next message decides: a connection that lives brings one soon.
 */
export class Silence {
  /** @type {Reading | null} */
  #lastMessage = null;
  /** When the clocks were first seen apart, by the steady one. @type {number | null} */
  #apart = null;

  /**
   * A message has come.
   *
   * @param {Reading} now
   */
  end(now) {
    this.#lastMessage = now;
    this.#apart = null;
  }

  /**
   * Returns the milliseconds since the last message, or null when there was none.
   *
   * @param {Reading} now
   */
  since(now) {
    if (!this.#lastMessage) return null;
    const steady = now.steady - this.#lastMessage.steady;
    const wall = now.wall - this.#lastMessage.wall;
    if (wall - steady <= jump) return steady;
    this.#apart ??= now.steady;
    return now.steady - this.#apart >= trial ? wall : steady;
  }
}

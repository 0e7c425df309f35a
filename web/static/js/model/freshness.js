// @ts-check
import { Silence } from './silence.js';
import { Store } from './store.js';

/** @typedef {import('./silence.js').Reading} Reading */

/** The page is stale when no message has come for so long: while readings come, the server sends one every second. */
export const staleAfter = 10_000;

/** How long the page says after an interruption how old it had become, in milliseconds. */
const saidFor = 10_000;

/**
 * Measures how old the contents of the page are, and after an interruption how old they had become. In a plant without devices
 * nothing is ever old.
 */
export class Freshness extends Store {
  #silence = new Silence();
  /** When the second was last counted, by the steady clock. */
  #ticked;
  /** Whether the page has slept or lost its connection since the last message. */
  #interrupted = false;
  /** @type {number | null} */
  #age = null;
  #stale = false;
  /** @type {number | null} */
  #caughtUp = null;
  #saidUntil = 0;

  /** @param {Reading} now */
  constructor(now) {
    super();
    this.#ticked = now.steady;
  }

  /** Whether the page is stale. */
  get stale() {
    return this.#stale;
  }

  /** The milliseconds since the last message; null if there was none. */
  get age() {
    return this.#age;
  }

  /** How old the page had become before the interruption that has just ended, in milliseconds; null if there was none. */
  get caughtUp() {
    return this.#caughtUp;
  }

  /** The connection is lost. */
  interrupt() {
    this.#interrupted = true;
  }

  /**
   * Notes that a message has come. Returns the milliseconds since the message before, null for the first. Silence of a plant without an
   * interruption of the page does not count: nothing was old.
   *
   * @param {Reading} now
   */
  received(now) {
    const silence = this.#silence.since(now);
    this.#silence.end(now);
    const slept = this.#interrupted || now.steady - this.#ticked > staleAfter;
    if (silence !== null && silence > staleAfter && slept) {
      this.#caughtUp = silence;
      this.#saidUntil = now.steady + saidFor;
    }
    this.#interrupted = false;
    return silence;
  }

  /**
   * To be called every second.
   *
   * @param {Reading} now
   * @param {{empty: boolean}} plant Whether it has no device.
   */
  tick(now, { empty }) {
    this.#interrupted ||= now.steady - this.#ticked > staleAfter;
    this.#ticked = now.steady;
    this.#age = this.#silence.since(now);
    this.#stale = this.#age !== null && !empty && this.#age > staleAfter;
    if (now.steady >= this.#saidUntil) this.#caughtUp = null;
    this.changed();
  }
}

// @ts-check
import { Silence } from './silence.js';
import { Store } from './store.js';

/** @typedef {import('./silence.js').Reading} Reading */

/** Without any message for so long, what the page shows is old: the server speaks every second while anything is read. */
export const staleAfter = 10_000;

/** How long it is said that what was shown had been old, in milliseconds. */
const saidFor = 10_000;

/**
 * Knows how old what the page shows is, and after an interruption how old it had become. A plant without a single device has
 * nothing to say, and nothing that could be old.
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

  /** Whether what is shown is old. */
  get stale() {
    return this.#stale;
  }

  /** The milliseconds since the last message; null if there was none. */
  get age() {
    return this.#age;
  }

  /** How old what was shown had become before it was caught up with a moment ago, in milliseconds; null if it had not. */
  get caughtUp() {
    return this.#caughtUp;
  }

  /** The connection is lost. */
  interrupt() {
    this.#interrupted = true;
  }

  /**
   * A message has come. Returns how long there had been none, null for the first. In a plant that has only been quiet nothing
   * was old, and nothing is said of it.
   *
   * @param {Reading} now
   */
  hear(now) {
    const silence = this.#silence.since(now);
    this.#silence.hear(now);
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

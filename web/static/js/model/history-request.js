// @ts-check
import { HistoryError } from './history.js';
import { Store } from './store.js';
import { correctedPause } from './windows.js';

/** How long after a failure the question is asked again, in milliseconds. */
const retryPause = 5_000;

/**
 * A question about the past. It is asked again when the reader asks for it, when the answer is outdated, and by itself after a failure.
 * Followers show the answer.
 *
 * @template Answer
 */
export class HistoryRequest extends Store {
  #question;
  #apply;
  #environment;
  #signal;
  /** @type {'idle' | 'loading' | 'loaded' | 'failed'} */
  #phase = 'idle';
  /** @type {unknown} */
  #error = null;
  /** What is on its way. @type {AbortController | null} */
  #current = null;
  /** When it was asked last, by the steady clock. */
  #asked = 0;
  #outdated = false;
  /** Whether it is to be asked once more when the answer that is on its way is there. */
  #again = false;

  /**
   * @param {(signal: AbortSignal) => Promise<Answer>} question
   * @param {(answer: Answer) => void} apply Is given each answer, before those that follow are called.
   * @param {{connected: () => boolean, now: () => number}} environment Now is the steady clock.
   * @param {AbortSignal} signal Ends it.
   */
  constructor(question, apply, environment, signal) {
    super();
    this.#question = question;
    this.#apply = apply;
    this.#environment = environment;
    this.#signal = signal;
  }

  /** It stays "loaded" while the question is asked again in the background. */
  get phase() {
    return this.#phase;
  }

  /** Why it failed: the server's words; empty if the server could not be reached. */
  get reason() {
    return this.#error instanceof HistoryError ? this.#error.message : '';
  }

  /** What it failed with; null if it did not. */
  get error() {
    return this.#error;
  }

  /** The HTTP status with which it failed; 0 if the server could not be reached. */
  get status() {
    return this.#error instanceof HistoryError ? this.#error.status : 0;
  }

  /** Asks, and stops waiting for an earlier answer. */
  load() {
    this.cancel();
    this.#phase = 'loading';
    this.changed();
    void this.#ask();
  }

  /** Stops waiting for an answer. */
  cancel() {
    this.#current?.abort();
    this.#current = null;
    this.#phase = 'idle';
    this.#error = null;
    this.#outdated = false;
    this.#again = false;
  }

  /** Asks again in the background: the answer is another one by now, and so may be the one that is on its way. */
  refresh() {
    if (this.#current) this.#again = true;
    else if (this.#phase === 'loaded') void this.#ask();
  }

  /** Marks the answer as outdated. */
  outdate() {
    this.#outdated = true;
  }

  /**
   * Asks again in the background if the answer is outdated or older than a period; to be called every second. What is shown
   * stays until there is another answer.
   *
   * @param {number} [period] In milliseconds.
   */
  renew(period = Infinity) {
    if (this.#phase !== 'loaded' || this.#current || !this.#environment.connected()) return;
    const pause = this.#outdated ? Math.min(period, correctedPause) : period;
    if (this.#environment.now() >= this.#asked + pause) void this.#ask();
  }

  /**
   * Asks again in the background if it failed for a reason that may have passed.
   *
   * @param {{atOnce?: boolean}} [how] Whether without a pause: the connection is back.
   */
  retry({ atOnce = false } = {}) {
    if (this.#phase !== 'failed' || this.#current || !this.#environment.connected()) return;
    const refused = this.status >= 400 && this.status < 500 && this.status !== 429;
    if (!refused && (atOnce || this.#environment.now() >= this.#asked + retryPause)) void this.#ask();
  }

  async #ask() {
    const current = new AbortController();
    const signal = AbortSignal.any([current.signal, this.#signal]);
    this.#current = current;
    this.#asked = this.#environment.now();
    this.#outdated = false;
    this.#again = false;
    let answer;
    try {
      answer = await this.#question(signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#current = null;
      this.#fail(error);
      return;
    }
    if (signal.aborted) return;
    this.#current = null;
    this.#phase = 'loaded';
    this.#error = null;
    this.#apply(answer);
    const again = this.#again;
    this.changed();
    if (again) this.refresh();
  }

  /** @param {unknown} error */
  #fail(error) {
    // An answer from before is still worth showing.
    if (this.#phase === 'loaded') {
      this.#outdated = true;
      return;
    }
    this.#phase = 'failed';
    this.#error = error;
    this.changed();
  }
}

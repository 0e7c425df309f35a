// @ts-check
import { Store } from './store.js';

/**
 * A file that is imported: first it is asked what it would change; that is changed when the reader agrees. Another file, or another way to import it,
 * begins anew.
 *
 * @template {{dry_run: boolean}} Result What the file has changed, or would change.
 */
export class FileImport extends Store {
  #send;
  #mostBytes;
  #onImported;
  #signal;
  /** @type {File | null} */
  #file = null;
  /** @type {Result | null} */
  #result = null;
  /** @type {unknown} */
  #error = null;
  #busy = false;
  /** Ends the request that is on its way. */
  #asking = new AbortController();

  /**
   * @param {(file: File, how: {dryRun: boolean}, signal: AbortSignal) => Promise<Result>} send
   * @param {{mostBytes: number, onImported: () => void}} options The largest file that the server takes, and what to call when it has been imported.
   * @param {AbortSignal} signal
   */
  constructor(send, { mostBytes, onImported }, signal) {
    super();
    this.#send = send;
    this.#mostBytes = mostBytes;
    this.#onImported = onImported;
    this.#signal = signal;
  }

  /** What the file would change, or has changed; null while that is not known. */
  get result() {
    return this.#result;
  }

  /** Why that is not known, or was not done; null if nothing failed. */
  get error() {
    return this.#error;
  }

  /** Whether an answer is waited for. */
  get busy() {
    return this.#busy;
  }

  get tooLarge() {
    return this.#file !== null && this.#file.size > this.#mostBytes;
  }

  /** Whether the changes were made, and not only looked at. */
  get applied() {
    return this.#result !== null && !this.#result.dry_run;
  }

  /** What is lost when the page is left. @returns {import('./unsaved.js').Loss} */
  get loss() {
    if (!this.#file || this.tooLarge || this.#error || this.applied) return '';
    return this.#busy && this.#result ? 'saving' : 'typed';
  }

  /** Stops waiting for an answer. Changes that the server makes are made nevertheless. */
  cancel() {
    this.#asking.abort();
    this.#busy = false;
  }

  /** Asks what a file would change; null: no file is chosen any more. @param {File | null} file */
  choose(file) {
    this.cancel();
    this.#file = file;
    this.#result = null;
    this.#error = null;
    if (file && !this.tooLarge) void this.#ask({ dryRun: true });
    else this.changed();
  }

  /** Asks the same about the same file, which is to be imported in another way. */
  again() {
    this.choose(this.#file);
  }

  /** Makes the changes. */
  apply() {
    return this.#ask({ dryRun: false });
  }

  /** @param {{dryRun: boolean}} how */
  async #ask({ dryRun }) {
    const file = this.#file;
    if (!file || this.#busy) return;
    this.#asking = new AbortController();
    const signal = AbortSignal.any([this.#asking.signal, this.#signal]);
    this.#busy = true;
    this.#error = null;
    this.changed();
    try {
      const result = await this.#send(file, { dryRun }, signal);
      if (!dryRun) this.#onImported();
      if (signal.aborted) return;
      this.#result = result;
    } catch (error) {
      if (signal.aborted) return;
      this.#result = null;
      this.#error = error;
    }
    this.#busy = false;
    this.changed();
  }
}

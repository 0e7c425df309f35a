// @ts-check
import { differences, draftOf, entryOf, patchOf, patched } from './entry.js';
import { HistoryError } from './history.js';
import { Store } from './store.js';

/**
 * @typedef {import('./device-list.js').Registered} Registered
 * @typedef {import('./entry.js').Draft} Draft
 * @typedef {import('./entry.js').Mistake} Mistake
 * @typedef {import('./history.js').History} History
 *
 * @typedef {{kind: 'saved' | 'waiting' | 'conflict'} | {kind: 'mistake', mistake: Mistake} | {kind: 'failed', error: unknown}
 *   | {kind: 'changed', parts: ReturnType<typeof differences>, unsaved: boolean}} Outcome What came of the last change: saved and in force; saved
 *   and not in force yet; not saved because somebody else was faster, because of what was typed, or because the server did not take it;
 *   or what somebody else has changed.
 */

/** A device's entry while it is changed in a form. What is typed stays when somebody else changes the entry meanwhile. */
export class EntryForm extends Store {
  #history;
  #id;
  #signal;
  /** What the draft is based on. @type {Registered} */
  #base = { version: 0 };
  #draft = draftOf();
  #busy = false;
  /** The version that was saved and is not in force yet; 0 for none. */
  #awaited = 0;
  /** What was sent and has not been answered, so that it may be in force; null if everything was answered. @type {Registered | null} */
  #unanswered = null;
  /** @type {Outcome | null} */
  #outcome = null;

  /**
   * @param {History} history
   * @param {string} id The device's.
   * @param {AbortSignal} signal
   */
  constructor(history, id, signal) {
    super();
    this.#history = history;
    this.#id = id;
    this.#signal = signal;
  }

  get base() {
    return this.#base;
  }

  get draft() {
    return this.#draft;
  }

  /** Whether it is being saved. */
  get busy() {
    return this.#busy;
  }

  get outcome() {
    return this.#outcome;
  }

  /** What is lost when the page is left. @returns {import('./unsaved.js').Loss} */
  get loss() {
    return this.#busy ? 'saving' : this.dirty ? 'typed' : '';
  }

  /** Whether something has been typed that is not saved. */
  get dirty() {
    const { entry } = entryOf(this.#draft);
    return !entry || Object.keys(patchOf(this.#base, entry)).length > 0;
  }

  /**
   * Takes over the entry that the server has in force. What has been typed stays.
   *
   * @param {Registered} [registered] Absent without an entry.
   */
  take(registered = { version: 0 }) {
    if (this.#busy || registered.version < this.#awaited || registered.version === this.#base.version) return;
    this.#awaited = 0;
    if (this.#unanswered && differences(this.#unanswered, registered).length === 0) {
      this.#unanswered = null;
      this.#base = registered;
      this.#outcome = this.dirty ? null : { kind: 'saved' };
      this.changed();
      return;
    }
    const { entry } = entryOf(this.#draft);
    const unsaved = this.dirty;
    const parts = differences(this.#base, registered);
    const first = this.#base.version === 0 && !unsaved;
    if (entry) this.#draft = draftOf(patched(registered, patchOf(this.#base, entry)));
    this.#base = registered;
    if (!first && parts.length > 0) this.#outcome = { kind: 'changed', parts, unsaved };
    this.changed();
  }

  /** @param {Partial<Draft>} change What is typed. */
  type(change) {
    this.#draft = { ...this.#draft, ...change };
    if (this.#outcome?.kind !== 'changed') this.#outcome = null;
    this.changed();
  }

  /** Forgets what has been typed. */
  reset() {
    this.#draft = draftOf(this.#base);
    this.#unanswered = null;
    this.#outcome = null;
    this.changed();
  }

  /** Saves what has been typed, if nobody else has changed the entry since. */
  async save() {
    if (this.#busy) return;
    const { entry, mistake } = entryOf(this.#draft);
    this.#busy = entry !== null;
    this.#outcome = entry ? null : { kind: 'mistake', mistake };
    this.changed();
    if (!entry) return;
    const patch = patchOf(this.#base, entry);
    try {
      const saved = await this.#history.changeEntry(this.#id, { patch, version: this.#base.version }, this.#signal);
      this.#awaited = saved.in_force ? 0 : saved.version;
      this.#base = saved;
      // What has been typed meanwhile stays.
      const { entry: typed } = entryOf(this.#draft);
      if (typed) this.#draft = draftOf(patched(saved, patchOf(entry, typed)));
      this.#unanswered = null;
      this.#outcome = { kind: saved.in_force ? 'saved' : 'waiting' };
    } catch (error) {
      if (!(error instanceof HistoryError)) this.#unanswered = { ...patched(this.#base, patch), version: 0 };
      this.#outcome = error instanceof HistoryError && error.status === 412 ? { kind: 'conflict' } : { kind: 'failed', error };
    }
    this.#busy = false;
    if (!this.#signal.aborted) this.changed();
  }
}

// @ts-check
import { HistoryError } from './history.js';
import { Store } from './store.js';

/**
 * @typedef {import('./device-list.js').Registered} Registered
 * @typedef {import('./history.js').History} History
 *
 * @typedef {'name' | 'area'} Field What is changed in place.
 * @typedef {{id: string, field: Field, value: string}} Change
 * @typedef {object} Failure Why a change was not made.
 * @property {Change} change
 * @property {number} version On which it was based.
 * @property {unknown} error
 * @property {boolean} conflict that somebody else has changed the entry
 * @property {Registered | undefined} now What the entry is after that, if it could be found out.
 */

/**
 * Changes of entries in place, one after the other for each device: each is based on the version that the one before has made.
 */
export class EntryChanges extends Store {
  #history;
  #onSaved;
  #signal;
  /** Those that are not answered yet, in their order. @type {Change[]} */
  #under = [];
  /** The last change of each device that is not answered yet. @type {Map<string, Promise<void>>} */
  #last = new Map();
  /** The versions that changes have made, by device. @type {Map<string, number>} */
  #made = new Map();
  /** @type {Failure | null} */
  #failure = null;

  /**
   * @param {History} history
   * @param {(id: string, entry: Registered) => void} onSaved
   * @param {AbortSignal} signal
   */
  constructor(history, onSaved, signal) {
    super();
    this.#history = history;
    this.#onSaved = onSaved;
    this.#signal = signal;
  }

  /** The change that was not made last; null if all were, or once it is taken notice of. */
  get failure() {
    return this.#failure;
  }

  /** What is lost when the page is left. @returns {import('./unsaved.js').Loss} */
  get loss() {
    return this.#failure ? 'typed' : this.#under.length > 0 ? 'saving' : '';
  }

  /** Takes notice of what was not made. */
  dismiss() {
    this.#failure = null;
    this.changed();
  }

  /**
   * The value to which a field is being changed; undefined if it is not.
   *
   * @param {string} id
   * @param {Field} field
   */
  pending(id, field) {
    return this.#under.findLast((change) => change.id === id && change.field === field)?.value;
  }

  /**
   * Makes a change.
   *
   * @param {Change} change
   * @param {number} version That of the entry on which it is based; 0 for none.
   */
  make(change, version) {
    this.#failure = null;
    this.#under.push(change);
    const before = this.#last.get(change.id) ?? Promise.resolve();
    const made = before.then(() => this.#send(change, version)).finally(() => {
      this.#under = this.#under.filter((one) => one !== change);
      if (this.#last.get(change.id) === made) this.#last.delete(change.id);
      if (!this.#signal.aborted) this.changed();
    });
    this.#last.set(change.id, made);
    this.changed();
  }

  /**
   * @param {Change} change
   * @param {number} seen
   */
  async #send(change, seen) {
    const { id, field, value } = change;
    const version = Math.max(seen, this.#made.get(id) ?? 0);
    try {
      const saved = await this.#history.changeEntry(id, { patch: { [field]: value || null }, version }, this.#signal);
      this.#made.set(id, saved.version);
      this.#onSaved(id, saved);
    } catch (error) {
      if (this.#signal.aborted) return;
      const conflict = error instanceof HistoryError && error.status === 412;
      const now = conflict ? await this.#present(id) : undefined;
      // An answer that was lost on its way: what was to be changed has been.
      if (now && (now[field] ?? '') === value) return;
      this.#failure = { change, version, error, conflict, now };
    }
  }

  /**
   * What the entry is after somebody else has changed it; undefined if that cannot be found out.
   *
   * @param {string} id
   */
  async #present(id) {
    try {
      const { registered = { version: 0 } } = await this.#history.device(id, this.#signal);
      this.#onSaved(id, registered);
      return registered;
    } catch {
      return undefined;
    }
  }
}

// @ts-check
import { HistoryError } from './history.js';
import { Store } from './store.js';

/**
 * A change of something that has a name and a version while it is made: what became of it, and what somebody else has decided meanwhile.
 *
 * @template Body
 * @template {{name: string, version: number}} Shown
 */
export class DecisionDraft extends Store {
  #decisions;
  #signal;
  #version = 0;
  #busy = false;
  /** @type {unknown} */
  #error = null;
  /** What somebody else has decided; undefined while there is nothing of the kind, null if they have deleted it. @type {Shown | null | undefined} */
  #theirs;

  /**
   * @param {import('./decisions.js').Decisions<Body, Shown>} decisions
   * @param {AbortSignal} signal
   */
  constructor(decisions, signal) {
    super();
    this.#decisions = decisions;
    this.#signal = signal;
  }

  /** Begins anew. @param {number} version What the change is based on; 0 for something new. */
  begin(version) {
    this.#version = version;
    this.#error = null;
    this.#theirs = undefined;
    this.changed();
  }

  /** Whether a decision is on its way. */
  get busy() {
    return this.#busy;
  }

  /** Why the last decision was not made; null if it was. */
  get error() {
    return this.#error;
  }

  /** What somebody else has decided since; null if they have deleted it, undefined if nobody has decided anything. */
  get theirs() {
    return this.#theirs;
  }

  /**
   * Decides, on the base of the version.
   *
   * @param {string} name
   * @param {Body} body
   */
  apply(name, body) {
    return this.#decide(name, () => this.#decisions.replace(name, { body, version: this.#version }, this.#signal));
  }

  /** @param {string} name */
  remove(name) {
    return this.#decide(name, () => this.#decisions.remove(name, this.#version, this.#signal));
  }

  /** Bases the change on what somebody else has decided: the next decision replaces that. */
  overrule() {
    if (this.#theirs !== undefined) this.begin(this.#theirs?.version ?? 0);
  }

  /**
   * @param {string} name
   * @param {() => Promise<import('./decisions.js').Decided<Shown>>} send
   * @returns {Promise<import('./decisions.js').Decided<Shown> | null>} What is decided; null if it was not.
   */
  async #decide(name, send) {
    if (this.#busy) return null;
    this.#busy = true;
    this.#error = null;
    this.changed();
    let made = null;
    try {
      made = await send();
      this.#version = made.version;
      this.#theirs = undefined;
    } catch (error) {
      this.#error = error;
      if (error instanceof HistoryError && error.status === 412) await this.#readTheirs(name);
    }
    this.#busy = false;
    if (this.#signal.aborted) return null;
    this.changed();
    return made;
  }

  /** @param {string} name */
  async #readTheirs(name) {
    try {
      this.#theirs = await this.#decisions.one(name, this.#signal);
    } catch (error) {
      if (error instanceof HistoryError && error.status === 404) this.#theirs = null;
    }
  }
}

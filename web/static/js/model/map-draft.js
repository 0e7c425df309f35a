// @ts-check
import { Draft } from './draft.js';
import { rebased, sameRules } from './source-map.js';

/**
 * @typedef {import('./source-rules.js').Rule} Rule
 * @typedef {import('./source-map.js').SourceMap} SourceMap
 */

/**
 * The rules of a source's map while they are tried and decided.
 *
 * @extends {Draft<SourceMap, Rule[]>}
 */
export class MapDraft extends Draft {
  #history;
  #name;
  #signal;

  /**
   * @param {import('./history.js').History} history
   * @param {{name: string, onDecided: () => void}} source Its name, and what to call when another map is decided, here or elsewhere.
   * @param {AbortSignal} signal
   */
  constructor(history, { name, onDecided }, signal) {
    super({ initial: [], valueOf: ({ rules }) => rules, same: sameRules, rebased, read: (asking) => history.sourceMap(name, asking), onDecided }, signal);
    this.#history = history;
    this.#name = name;
    this.#signal = signal;
  }

  get rules() {
    return this.value;
  }

  /** Decides the rules that are tried. */
  async apply() {
    const rules = this.rules;
    await this.decide((version) => this.#history.changeMap(this.#name, { rules }, version, this.#signal));
  }

  /** Decides the rules of an earlier version again. What was changed here is forgotten. @param {number} restore */
  async restore(restore) {
    this.reset();
    await this.decide((version) => this.#history.changeMap(this.#name, { restore }, version, this.#signal));
  }

  /** Has the source map by its configuration again. What was changed here is forgotten. */
  async remove() {
    this.reset();
    await this.decide((version) => this.#history.deleteMap(this.#name, version, this.#signal));
  }
}

// @ts-check
import { HistoryError } from './history.js';
import { rebased, sameRules } from './source-map.js';
import { Store } from './store.js';

/**
 * @typedef {import('./source-rules.js').Rule} Rule
 * @typedef {import('./source-map.js').SourceMap} SourceMap
 */

/** The rules of a source's map while they are tried and decided. What was changed here stays when somebody else decides meanwhile. */
export class MapDraft extends Store {
  #history;
  #name;
  #onDecided;
  #signal;
  /** What the rules are based on; null while it is not known. @type {SourceMap | null} */
  #base = null;
  /** By which rules the source maps, as long as nothing else is known. @type {Rule[]} */
  #mapped = [];
  /** What somebody else has decided since, while other rules are tried here. @type {SourceMap | null} */
  #theirs = null;
  /** @type {Rule[]} */
  #rules = this.#mapped;
  #busy = false;
  /** Why the last decision was not made; null if it was. @type {unknown} */
  #error = null;
  /** Whether what is decided now was decided here. */
  #made = false;
  /** What was sent and has not been answered, so that it may be decided. @type {Rule[] | null} */
  #unanswered = null;

  /**
   * @param {import('./history.js').History} history
   * @param {{name: string, onDecided: () => void}} source Its name, and what to call when another map is decided, here or elsewhere.
   * @param {AbortSignal} signal
   */
  constructor(history, { name, onDecided }, signal) {
    super();
    this.#history = history;
    this.#name = name;
    this.#onDecided = onDecided;
    this.#signal = signal;
  }

  get base() {
    return this.#base;
  }

  get theirs() {
    return this.#theirs;
  }

  get rules() {
    return this.#rules;
  }

  /** Whether a decision is on its way. */
  get busy() {
    return this.#busy;
  }

  get error() {
    return this.#error;
  }

  get made() {
    return this.#made;
  }

  /** The rules with which those that are tried are compared. */
  get before() {
    return this.#base?.rules ?? this.#mapped;
  }

  /** Whether other rules are tried than those that are decided. */
  get dirty() {
    return !sameRules(this.#rules, this.before);
  }

  /** Whether somebody else has decided since the rules were read. */
  get conflict() {
    return this.#theirs !== null || (this.#error instanceof HistoryError && this.#error.status === 412);
  }

  /** What is lost when the page is left. @returns {import('./unsaved.js').Loss} */
  get loss() {
    return this.#busy ? 'saving' : this.dirty ? 'typed' : '';
  }

  /**
   * Takes over by which rules the source maps. What is decided counts more once it is known.
   *
   * @param {Rule[]} rules
   */
  mapped(rules) {
    if (this.#base || this.dirty || sameRules(rules, this.#mapped)) return;
    this.#mapped = rules;
    this.#rules = rules;
    this.changed();
  }

  /**
   * Takes over what the server says is decided. What was changed here stays.
   *
   * @param {SourceMap} map
   */
  take(map) {
    if (this.#busy) return;
    const before = this.#base;
    if (map.version === before?.version) {
      if (map.in_force === before.in_force && map.reason === before.reason && sameRules(map.rules, before.rules)) return;
      this.#rebase(before.rules, map);
    } else if (!this.dirty) {
      this.#error = null;
      this.#made = false;
      this.#rebase(this.before, map);
    } else if (!before) {
      this.#rebase(this.before, map);
    } else if (this.#unanswered && sameRules(map.rules, this.#unanswered)) {
      this.#error = null;
      this.#made = true;
      this.#rebase(this.#unanswered, map);
    } else if (sameRules(map.rules, this.#rules)) {
      this.#error = null;
      this.#rebase(this.#rules, map);
    } else {
      if (this.#theirs?.version === map.version) return;
      this.#theirs = map;
    }
    if (map.version !== before?.version) this.#onDecided();
    this.changed();
  }

  /**
   * Bases the rules on a map.
   *
   * @param {Rule[]} from What they were based on.
   * @param {SourceMap} map
   */
  #rebase(from, map) {
    this.#rules = sameRules(this.#rules, from) ? map.rules : rebased(from, this.#rules, map.rules);
    this.#base = map;
    this.#theirs = null;
    this.#unanswered = null;
  }

  /** @param {Rule[]} rules Those that are tried from now on. */
  edit(rules) {
    this.#rules = rules;
    this.#made = false;
    if (!this.conflict) this.#error = null;
    this.changed();
  }

  /** Forgets what was changed here. */
  reset() {
    if (this.#theirs) this.#base = this.#theirs;
    this.#theirs = null;
    this.#unanswered = null;
    this.#error = null;
    this.#rules = this.before;
    this.changed();
  }

  /** Bases the rules on what somebody else has decided. */
  async readAgain() {
    const theirs = this.#theirs ?? (await this.#present());
    if (!theirs || this.#signal.aborted || this.#busy) return;
    this.#error = null;
    this.#rebase(this.before, theirs);
    this.#onDecided();
    this.changed();
  }

  /** Decides the rules that are tried. */
  async apply() {
    const rules = this.#rules;
    await this.#decide((version) => this.#history.changeMap(this.#name, { rules }, version, this.#signal));
  }

  /** Decides the rules of an earlier version again. What was changed here is forgotten. @param {number} restore */
  async restore(restore) {
    this.reset();
    await this.#decide((version) => this.#history.changeMap(this.#name, { restore }, version, this.#signal));
  }

  /** Has the source map by its configuration again. What was changed here is forgotten. */
  async remove() {
    this.reset();
    await this.#decide((version) => this.#history.deleteMap(this.#name, version, this.#signal));
  }

  /** @param {(version: number) => Promise<SourceMap>} send Decides on the base of a version. */
  async #decide(send) {
    if (this.#busy || !this.#base) return;
    const sent = this.#rules;
    this.#busy = true;
    this.#error = null;
    this.changed();
    try {
      const map = await send(this.#base.version);
      // What was changed meanwhile stays.
      this.#rebase(sent, map);
      this.#made = true;
    } catch (error) {
      this.#error = error;
      if (!(error instanceof HistoryError)) this.#unanswered = sent;
    }
    const now = this.conflict ? await this.#present() : undefined;
    this.#busy = false;
    if (this.#signal.aborted) return;
    if (now) this.take(now);
    else if (!this.#error) this.#onDecided();
    this.changed();
  }

  /** What is decided now; undefined if that cannot be found out. */
  async #present() {
    return this.#history.sourceMap(this.#name, this.#signal).catch(() => undefined);
  }
}

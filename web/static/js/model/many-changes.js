// @ts-check
import { each } from './entry-changes.js';
import { HistoryError } from './history.js';
import { Store } from './store.js';

/**
 * @typedef {import('./device-list.js').Registered} Registered
 * @typedef {import('./entry.js').Patch} Patch
 * @typedef {import('./history.js').History} History
 *
 * @typedef {{id: string, version: number}} Target A device, and the version of its entry, 0 for none.
 * @typedef {Target & {error: unknown}} Failed
 *
 * @typedef {object} Typed What is to be changed.
 * @property {string} area Empty removes it, if setArea.
 * @property {boolean} setArea
 * @property {string} interval In seconds; empty removes it, if setInterval.
 * @property {boolean} setInterval
 * @property {'' | 'set' | 'remove'} labels What to do with one label.
 * @property {string} label
 * @property {string} value
 * @property {'' | 'yes' | 'no'} retired
 */

/** How many requests are on their way at the same time: the server brings each change into force before it answers. */
const atOnce = 8;

/** @type {Readonly<Typed>} */
const blank = Object.freeze({ area: '', setArea: false, interval: '', setInterval: false, labels: '', label: '', value: '', retired: '' });

/** The same change of many devices, with what came of it for each. */
export class ManyChanges extends Store {
  #history;
  #onSaved;
  #signal;
  /** @type {Target[]} */
  #targets = [];
  #typed = blank;
  /** @type {'' | 'interval' | 'label' | 'nothing'} */
  #mistake = '';
  /** How many are to be changed, and have been, while that goes on or after it. @type {{all: number, done: number, waiting: number} | null} */
  #progress = null;
  /** @type {Failed[]} */
  #failed = [];
  #busy = false;
  #running = new AbortController();

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

  /** How many devices there are. */
  get count() {
    return this.#targets.length;
  }

  get typed() {
    return this.#typed;
  }

  /** What is wrong with what is typed; empty if nothing is. */
  get mistake() {
    return this.#mistake;
  }

  get progress() {
    return this.#progress;
  }

  get busy() {
    return this.#busy;
  }

  /** Those that were not changed. */
  get failed() {
    return this.#failed;
  }

  /** @param {Target[]} targets */
  begin(targets) {
    this.#targets = targets;
    this.#typed = blank;
    this.#mistake = '';
    this.#progress = null;
    this.#failed = [];
    this.changed();
  }

  /** @param {Partial<Typed>} change */
  type(change) {
    this.#typed = { ...this.#typed, ...change };
    this.#mistake = '';
    this.changed();
  }

  /** Begins no further request. */
  stop() {
    this.#running.abort();
  }

  /** Changes all devices. */
  async apply() {
    await this.#run(this.#targets);
  }

  /** Changes those that were not changed, also if somebody else has changed them meanwhile: their other values stay. */
  async again() {
    await this.#run(this.#failed.map(({ id, version }) => ({ id, version })));
  }

  /** @returns {Patch} */
  #patch() {
    const { area, setArea, interval, setInterval, labels, label, value, retired } = this.#typed;
    return {
      ...(setArea && { area: area.trim() || null }),
      ...(setInterval && { interval_seconds: Number(interval.trim()) || null }),
      ...(labels && { labels: { [label.trim()]: labels === 'set' ? value.trim() : null } }),
      ...(retired && { retired: retired === 'yes' ? true : null }),
    };
  }

  /** @returns {ManyChanges['mistake']} */
  #check() {
    const { interval, setInterval, labels, label } = this.#typed;
    const seconds = Number(interval.trim());
    if (setInterval && !(Number.isFinite(seconds) && seconds >= 0)) return 'interval';
    if (labels && !label.trim()) return 'label';
    return Object.keys(this.#patch()).length === 0 ? 'nothing' : '';
  }

  /** @param {Target[]} targets */
  async #run(targets) {
    if (this.#busy) return;
    this.#mistake = this.#check();
    if (this.#mistake) {
      this.changed();
      return;
    }
    const patch = this.#patch();
    const progress = (this.#progress = { all: targets.length, done: 0, waiting: 0 });
    this.#failed = [];
    this.#running = new AbortController();
    this.#busy = true;
    this.changed();
    const signal = AbortSignal.any([this.#running.signal, this.#signal]);
    await each(targets, (target) => this.#change(target, { patch, progress, signal }), { atOnce, signal });
    this.#busy = false;
    this.changed();
  }

  /**
   * @param {Target} target
   * @param {{patch: Patch, progress: {done: number, waiting: number}, signal: AbortSignal}} how
   */
  async #change({ id, version }, { patch, progress, signal }) {
    try {
      const saved = await this.#history.changeEntry(id, { patch, version }, signal);
      progress.done++;
      if (!saved.in_force) progress.waiting++;
      this.#onSaved(id, saved);
    } catch (error) {
      if (signal.aborted) return;
      const conflict = error instanceof HistoryError && error.status === 412;
      this.#failed.push({ id, version: conflict ? error.version : version, error });
    }
    this.changed();
  }
}

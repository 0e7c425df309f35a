// @ts-check
import { differences } from './entry.js';
import { HistoryError } from './history.js';
import { Store } from './store.js';

/**
 * @typedef {import('./device-list.js').Registered} Registered
 * @typedef {import('./entry.js').Patch} Patch
 * @typedef {import('./history.js').History} History
 *
 * @typedef {import('./history.js').Decision} Decision
 *
 * @typedef {{id: string, version?: number}} Target A device, and the version of its entry on which the change is based: 0 for none, absent for any.
 * @typedef {object} Failed A device that was not changed, or of which that is not known.
 * @property {string} id
 * @property {number} [version] What it is based on when it is tried again.
 * @property {unknown} error
 * @property {{actor: string, time: string, parts: ReturnType<typeof differences>}} [other] What somebody else has done meanwhile, once that is known.
 *
 * @typedef {{all: number, changed: number, same: number, waiting: number}} Progress How many devices there are, how many have been changed, were as
 *   they should be already, and are changed but not in force yet.
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

/** How many devices one request changes: the server names as many if they cannot be changed. */
const perRequest = 1000;

/** Of how many devices that somebody else has changed it is asked who that was, and how many are asked about at the same time. */
const askedAbout = 50;
const atOnce = 4;

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
  /** While that goes on, or after it. @type {Progress | null} */
  #progress = null;
  /** @type {Failed[]} */
  #failed = [];
  /** Those whose turn has not come. @type {Target[]} */
  #left = [];
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

  /** How many have not been tried. */
  get left() {
    return this.#left.length;
  }

  /** @param {Target[]} targets */
  begin(targets) {
    this.#targets = targets;
    this.#typed = blank;
    this.#mistake = '';
    this.#progress = null;
    this.#failed = [];
    this.#left = [];
    this.changed();
  }

  /** @param {Partial<Typed>} change */
  type(change) {
    this.#typed = { ...this.#typed, ...change };
    this.#mistake = '';
    this.changed();
  }

  /** What is lost when the page is left. @returns {import('./unsaved.js').Loss} */
  get loss() {
    if (this.#busy) return 'saving';
    return this.#typed !== blank && this.#progress === null ? 'typed' : '';
  }

  /** Begins no further request. What is on its way is not known to be stopped: its answer is waited for. */
  stop() {
    this.#running.abort();
  }

  /** Forgets what was typed. */
  end() {
    this.stop();
    this.#typed = blank;
  }

  /** Changes all devices. */
  async apply() {
    await this.#run(this.#targets);
  }

  /** Changes those that were not changed or not tried, also if somebody else has changed them meanwhile: their other values stay. */
  async again() {
    await this.#run([...this.#failed, ...this.#left]);
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
    const progress = (this.#progress = { all: targets.length, changed: 0, same: 0, waiting: 0 });
    this.#failed = [];
    this.#running = new AbortController();
    const running = this.#running.signal;
    this.#busy = true;
    this.changed();
    for (this.#left = targets; this.#left.length > 0 && !running.aborted && !this.#signal.aborted; ) {
      const some = this.#left.slice(0, perRequest);
      await this.#change(some, patch, progress);
      this.#left = this.#left.slice(some.length);
      this.changed();
    }
    this.#busy = false;
    this.changed();
    await this.#explain(this.#failed);
  }

  /**
   * Changes devices. The server changes all of them or none, and names those that it cannot change: the others are then sent again.
   *
   * @param {Target[]} targets At most perRequest.
   * @param {Patch} patch
   * @param {Progress} progress
   */
  async #change(targets, patch, progress) {
    for (let rest = targets; rest.length > 0; ) {
      try {
        const { changed, in_force: inForce, items } = await this.#history.changeEntries({ devices: rest, patch }, this.#signal);
        progress.changed += changed;
        progress.same += rest.length - changed;
        if (!inForce) progress.waiting += changed;
        for (const { device_id: id, after } of items) this.#onSaved(id, after);
        return;
      } catch (error) {
        if (this.#signal.aborted) return;
        const refused = refusals(error);
        const others = rest.filter(({ id }) => !refused.has(id));
        // If it names none of them, it is about all.
        const failed = others.length < rest.length ? rest.filter(({ id }) => refused.has(id)) : rest;
        this.#failed.push(...failed.map((target) => failure(target, refused.get(target.id) ?? error)));
        rest = others.length < rest.length ? others : [];
      }
    }
  }

  /**
   * Finds out who has changed devices meanwhile.
   *
   * @param {Failed[]} failed
   */
  async #explain(failed) {
    const changed = failed.filter(({ error }) => error instanceof HistoryError && error.status === 412).slice(0, askedAbout);
    await each(changed, async (one) => {
      const decision = await this.#history.lastDecision(one.id, this.#signal).catch(() => undefined);
      if (!decision) return; // It is said without.
      one.other = { actor: decision.actor, time: decision.time, parts: differences(decision.before ?? {}, decision.after ?? {}) };
      this.changed();
    }, { atOnce, signal: this.#signal });
  }
}

/**
 * Returns why each device that a problem names was refused.
 *
 * @param {unknown} error
 * @returns {Map<string, HistoryError>}
 */
function refusals(error) {
  /** @type {Map<string, HistoryError>} */
  const refused = new Map();
  if (!(error instanceof HistoryError)) return refused;
  for (const mistake of error.mistakes) {
    if (typeof mistake.value !== 'string') continue;
    const conflict = mistake.location === 'body.version';
    refused.set(mistake.value, new HistoryError(conflict ? 412 : 422, mistake.message, { mistakes: [mistake] }));
  }
  return refused;
}

/**
 * @param {Target} target
 * @param {unknown} error
 * @returns {Failed}
 */
function failure({ id, version }, error) {
  // The patch leaves what somebody else has changed as it is. Without an answer the change itself may have made another version.
  const any = !(error instanceof HistoryError) || error.status === 412;
  return { id, error, ...(version !== undefined && !any && { version }) };
}

/**
 * Does something with many items, few at the same time.
 *
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => Promise<void>} act It must not reject.
 * @param {{atOnce: number, signal: AbortSignal}} how Once the signal has ended no further item is begun.
 */
export async function each(items, act, { atOnce, signal }) {
  let next = 0;
  const work = async () => {
    for (let item = items[next++]; item !== undefined && !signal.aborted; item = items[next++]) await act(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
}

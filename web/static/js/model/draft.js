// @ts-check
import { HistoryError } from './history.js';
import { Store } from './store.js';

/**
 * @typedef {{version: number, in_force: boolean, reason?: string}} Decision What is decided, its version, whether it is in force, and why it is not.
 */

/**
 * How a draft deals with what is decided.
 *
 * @template {Decision} Decided
 * @template Value
 * @typedef {object} Drafting
 * @property {Value} initial What the draft holds as long as nothing else is known.
 * @property {(decided: Decided) => Value} valueOf
 * @property {(a: Value, b: Value) => boolean} same Whether two values say the same.
 * @property {(base: Value, mine: Value, theirs: Value) => Value} rebased What somebody else has made of the base, with what was changed here.
 * @property {(signal: AbortSignal) => Promise<Decided>} read Asks what is decided now.
 * @property {() => void} onDecided What to call when something else is decided, here or elsewhere.
 */

/**
 * What people decide, while it is changed here. What was changed here stays when somebody else decides meanwhile.
 *
 * @template {Decision} Decided
 * @template Value
 */
export class Draft extends Store {
  #how;
  #signal;
  /** What the value is based on; null while it is not known. @type {Decided | null} */
  #base = null;
  /** @type {Value} */
  #initial;
  /** What somebody else has decided since, while the value was changed here. @type {Decided | null} */
  #theirs = null;
  /** @type {Value} */
  #value;
  #busy = false;
  /** Why the last decision was not made; null if it was. @type {unknown} */
  #error = null;
  /** Whether what is decided now was decided here. */
  #made = false;
  /** What was sent and has not been answered, so that it may be decided. @type {{value: Value} | null} */
  #unanswered = null;

  /**
   * @param {Drafting<Decided, Value>} how
   * @param {AbortSignal} signal
   */
  constructor(how, signal) {
    super();
    this.#how = how;
    this.#signal = signal;
    this.#initial = how.initial;
    this.#value = how.initial;
  }

  get base() {
    return this.#base;
  }

  get theirs() {
    return this.#theirs;
  }

  get value() {
    return this.#value;
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

  /** The value with which that of the draft is compared. */
  get before() {
    return this.#base ? this.#how.valueOf(this.#base) : this.#initial;
  }

  /** Whether the value is another one than what is decided. */
  get dirty() {
    return !this.#how.same(this.#value, this.before);
  }

  /** Whether somebody else has decided since. */
  get conflict() {
    return this.#theirs !== null || (this.#error instanceof HistoryError && this.#error.status === 412);
  }

  /** What is lost when the page is left. @returns {import('./unsaved.js').Loss} */
  get loss() {
    return this.#busy ? 'saving' : this.dirty ? 'typed' : '';
  }

  /**
   * Begins with a value. What is decided counts more once it is known.
   *
   * @param {Value} value
   */
  begin(value) {
    if (this.#base || this.dirty || this.#how.same(value, this.#initial)) return;
    this.#initial = value;
    this.#value = value;
    this.changed();
  }

  /**
   * Takes over what the server says is decided. What was changed here stays.
   *
   * @param {Decided} decided
   */
  take(decided) {
    if (this.#busy) return;
    const { same, valueOf } = this.#how;
    const before = this.#base;
    const value = valueOf(decided);
    if (decided.version === before?.version) {
      if (decided.in_force === before.in_force && decided.reason === before.reason && same(value, this.before)) return;
      this.#rebase(this.before, decided);
    } else if (!this.dirty) {
      this.#error = null;
      this.#made = false;
      this.#rebase(this.before, decided);
    } else if (!before) {
      this.#rebase(this.before, decided);
    } else if (this.#unanswered && same(value, this.#unanswered.value)) {
      this.#error = null;
      this.#made = true;
      this.#rebase(this.#unanswered.value, decided);
    } else if (same(value, this.#value)) {
      this.#error = null;
      this.#rebase(this.#value, decided);
    } else {
      if (this.#theirs?.version === decided.version) return;
      this.#theirs = decided;
    }
    if (decided.version !== before?.version) this.#how.onDecided();
    this.changed();
  }

  /**
   * Bases the value on what is decided.
   *
   * @param {Value} from What it was based on.
   * @param {Decided} decided
   */
  #rebase(from, decided) {
    const { rebased, same, valueOf } = this.#how;
    const value = valueOf(decided);
    this.#value = same(this.#value, from) ? value : rebased(from, this.#value, value);
    this.#base = decided;
    this.#theirs = null;
    this.#unanswered = null;
  }

  /** @param {Value} value That of the draft from now on. */
  edit(value) {
    this.#value = value;
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
    this.#value = this.before;
    this.changed();
  }

  /** Bases the value on what somebody else has decided. */
  async readAgain() {
    const theirs = this.#theirs ?? (await this.#present());
    if (!theirs || this.#signal.aborted || this.#busy) return;
    this.#error = null;
    this.#rebase(this.before, theirs);
    this.#how.onDecided();
    this.changed();
  }

  /** @param {(version: number) => Promise<Decided>} send Decides on the base of a version. */
  async decide(send) {
    if (this.#busy || !this.#base) return;
    const sent = this.#value;
    this.#busy = true;
    this.#error = null;
    this.changed();
    try {
      const decided = await send(this.#base.version);
      // What was changed meanwhile stays.
      this.#rebase(sent, decided);
      this.#made = true;
    } catch (error) {
      this.#error = error;
      if (!(error instanceof HistoryError)) this.#unanswered = { value: sent };
    }
    const now = this.conflict ? await this.#present() : undefined;
    this.#busy = false;
    if (this.#signal.aborted) return;
    if (now) this.take(now);
    else if (!this.#error) this.#how.onDecided();
    this.changed();
  }

  /** What is decided now; undefined if that cannot be found out. */
  async #present() {
    return this.#how.read(this.#signal).catch(() => undefined);
  }
}

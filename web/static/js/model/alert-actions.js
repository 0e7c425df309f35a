// @ts-check
import { lifeOf, unacknowledged } from './alert-life.js';
import { HistoryError } from './history.js';
import { Store } from './store.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./history.js').History} History
 *
 * @typedef {'acknowledge' | 'comment' | 'reset' | 'shelve' | 'unshelve' | 'out_of_service' | 'in_service'} AlertAction
 *
 * @typedef {object} AlertDecision What is decided with an action.
 * @property {string} [comment] Why.
 * @property {string} [until] The end of shelving, RFC 3339.
 * @property {number} [seconds] Instead: how long from now.
 * @property {boolean} [one_shot] Shelving ends as soon as an alert of the rule clears.
 * @property {boolean} [device] All rules of the device, not only that of the alert.
 *
 * @typedef {object} NotDone An alert about which something was not done.
 * @property {string} id
 * @property {unknown} error Why it failed; null if the processor has refused it.
 * @property {import('./history.js').Refusal | undefined} refused Why the processor has refused it.
 * @property {string | undefined} remains What suppresses the alert all the same.
 * @property {Alert | undefined} alert What it is after that, as far as that is known.
 *
 * @typedef {{ids: string[], key: string}} Chunk The alerts of one request, and its key.
 *
 * @typedef {{all: number, done: number, waiting: number}} ActionProgress Waiting: decided, and the processor has not come to it.
 */

/** How many alerts one request is about: few enough that it is answered in a moment, and can be stopped after it. */
const together = 100;

/** How often a request is sent again when the server is busy, and how long after, in milliseconds. */
const tries = 5;
const busyPause = 500;

/** The actions, in the order in which they are offered. @type {readonly AlertAction[]} */
export const alertActions = ['acknowledge', 'comment', 'shelve', 'unshelve', 'reset', 'out_of_service', 'in_service'];

/** Of which alerts each action can be done. @type {Record<AlertAction, (alert: Alert) => boolean>} */
const possible = {
  acknowledge: unacknowledged,
  comment: () => true,
  reset: (alert) => lifeOf(alert) === 'latched_acknowledged',
  shelve: (alert) => !alert.suppressed,
  unshelve: (alert) => alert.suppressed === 'shelved',
  out_of_service: (alert) => alert.suppressed !== 'out_of_service',
  in_service: (alert) => alert.suppressed === 'out_of_service',
};

/**
 * Returns what can be done about at least one of these alerts.
 *
 * @param {Alert[]} alerts
 */
export function possibleActions(alerts) {
  return alertActions.filter((action) => alerts.some(possible[action]));
}

/**
 * Returns those of the alerts about which an action can be done.
 *
 * @param {Alert[]} alerts
 * @param {AlertAction} action
 */
export function actionable(alerts, action) {
  return alerts.filter(possible[action]);
}

/** The same action about many alerts, with what came of it for each. */
export class AlertActions extends Store {
  #history;
  #onDone;
  #signal;
  #pause;
  /** What has not been sent, or may have been without an answer: a request that is sent again has the same alerts and the same key. @type {Chunk[]} */
  #left = [];
  /** Those without an answer. @type {Chunk[]} */
  #unanswered = [];
  /** @type {ActionProgress | null} */
  #progress = null;
  /** @type {NotDone[]} */
  #failed = [];
  #busy = false;
  /** @type {{action: AlertAction, body: AlertDecision}} */
  #decision = { action: 'comment', body: {} };

  /**
   * @param {History} history
   * @param {(alert: Alert) => void} onDone Is given each alert as it is after the action.
   * @param {AbortSignal} signal
   * @param {(milliseconds: number) => Promise<void>} [pause]
   */
  constructor(history, onDone, signal, pause = (milliseconds) => new Promise((passed) => setTimeout(passed, milliseconds))) {
    super();
    this.#history = history;
    this.#onDone = onDone;
    this.#signal = signal;
    this.#pause = pause;
  }

  get busy() {
    return this.#busy;
  }

  /** How far it is; null before it has begun. */
  get progress() {
    return this.#progress;
  }

  get failed() {
    return this.#failed;
  }

  /** How many alerts' turn has not come, because it was stopped. */
  get left() {
    return this.#busy ? 0 : this.#left.reduce((sum, { ids }) => sum + ids.length, 0);
  }

  /** What is lost when the page is left. @returns {import('./unsaved.js').Loss} */
  get loss() {
    return this.#busy ? 'saving' : '';
  }

  /** Forgets what was done. */
  end() {
    if (this.#busy) return;
    this.#progress = null;
    this.#failed = [];
    this.#left = [];
    this.#unanswered = [];
    this.changed();
  }

  /**
   * @param {Pick<Alert, 'id'>[]} alerts
   * @param {AlertAction} action
   * @param {AlertDecision} body
   */
  async begin(alerts, action, body) {
    if (this.#busy) return;
    this.#decision = { action, body };
    this.#progress = { all: alerts.length, done: 0, waiting: 0 };
    this.#failed = [];
    this.#unanswered = [];
    await this.#run(chunks(alerts.map(({ id }) => id)));
  }

  /** Tries those again of which it is not known that it was done. */
  async again() {
    if (this.#busy) return;
    const unanswered = new Set(this.#unanswered.flatMap(({ ids }) => ids));
    const answered = this.#failed.map(({ id }) => id).filter((id) => !unanswered.has(id));
    const again = [...this.#unanswered, ...chunks(answered), ...this.#left];
    this.#failed = [];
    this.#unanswered = [];
    await this.#run(again);
  }

  /** Begins with no further alert. */
  stop() {
    this.#busy = false;
    this.changed();
  }

  /** @param {Chunk[]} all */
  async #run(all) {
    this.#left = all;
    this.#busy = true;
    this.changed();
    while (this.#busy && !this.#signal.aborted && this.#left.length > 0) {
      const [next, ...others] = this.#left;
      this.#left = others;
      if (next) await this.#handle(next);
    }
    this.#busy = false;
    if (!this.#signal.aborted) this.changed();
  }

  /** @param {Chunk} chunk */
  async #handle(chunk) {
    const { ids, key } = chunk;
    const { action, body } = this.#decision;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#note(await this.#history.handleAlerts(ids, action, { key, body }, this.#signal));
      } catch (error) {
        if (this.#signal.aborted) return;
        const busy = error instanceof HistoryError && (error.status === 429 || error.status === 503);
        if (busy && attempt < tries) {
          await this.#pause(busyPause * attempt);
          continue;
        }
        this.#unanswered.push(chunk);
        for (const id of ids) this.#failed.push({ id, error, refused: undefined, remains: undefined, alert: undefined });
      }
      this.changed();
      return;
    }
  }

  /** @param {import('./history.js').HandledAlerts} answer */
  #note({ waiting, items }) {
    const progress = /** @type {ActionProgress} */ (this.#progress);
    for (const { id, done, refused, remains, error, alert } of items) {
      const unknown = waiting && !done && !error && !refused;
      if ((done && !remains) || unknown) progress.done++;
      else this.#failed.push({ id, error: error ? new HistoryError(404, error) : null, refused, remains, alert });
      if (unknown) progress.waiting++;
      else if (alert) this.#onDone(alert);
    }
  }
}

/**
 * Divides alerts among requests.
 *
 * @param {string[]} ids
 * @returns {Chunk[]}
 */
function chunks(ids) {
  return Array.from({ length: Math.ceil(ids.length / together) }, (_, i) => ({ ids: ids.slice(i * together, (i + 1) * together), key: newKey() }));
}

/** Returns a key that no other request has. Not every address that a page may have lets it make UUIDs. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

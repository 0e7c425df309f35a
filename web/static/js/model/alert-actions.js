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
 * @property {unknown} error Why it failed; null if it could not be done as the alert is.
 * @property {Alert | undefined} alert What it is after that, as far as that is known.
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
  /** Those whose turn has not come. @type {string[]} */
  #left = [];
  /** The key of all requests of an action: with it and an alert's id, what is sent again is done once. */
  #key = '';
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
    return this.#busy ? 0 : this.#left.length;
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
    this.#key = newKey();
    this.#progress = { all: alerts.length, done: 0, waiting: 0 };
    this.#failed = [];
    await this.#run(alerts.map(({ id }) => id));
  }

  /** Tries those again of which it is not known that it was done. */
  async again() {
    if (this.#busy) return;
    const ids = [...this.#failed.map(({ id }) => id), ...this.#left];
    this.#failed = [];
    await this.#run(ids);
  }

  /** Begins with no further alert. */
  stop() {
    this.#busy = false;
    this.changed();
  }

  /** @param {string[]} ids */
  async #run(ids) {
    this.#left = ids;
    this.#busy = true;
    this.changed();
    while (this.#busy && !this.#signal.aborted && this.#left.length > 0) {
      const some = this.#left.slice(0, together);
      this.#left = this.#left.slice(together);
      await this.#handle(some);
    }
    this.#busy = false;
    if (!this.#signal.aborted) this.changed();
  }

  /** @param {string[]} ids */
  async #handle(ids) {
    const { action, body } = this.#decision;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#note(await this.#history.handleAlerts(ids, action, { key: this.#key, body }, this.#signal));
      } catch (error) {
        if (this.#signal.aborted) return;
        const busy = error instanceof HistoryError && (error.status === 429 || error.status === 503);
        if (busy && attempt < tries) {
          await this.#pause(busyPause * attempt);
          continue;
        }
        for (const id of ids) this.#failed.push({ id, error, alert: undefined });
      }
      this.changed();
      return;
    }
  }

  /** @param {import('./history.js').HandledAlerts} answer */
  #note({ waiting, items }) {
    const progress = /** @type {ActionProgress} */ (this.#progress);
    for (const { id, done, error, alert } of items) {
      if (error) this.#failed.push({ id, error: new HistoryError(404, error), alert });
      else if (done || waiting) progress.done++;
      else this.#failed.push({ id, error: null, alert });
      if (waiting && !done && !error) progress.waiting++;
      else if (alert) this.#onDone(alert);
    }
  }
}

/** Returns a key that no other request has. Not every address that a page may have lets it make UUIDs. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

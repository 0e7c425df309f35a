// @ts-check
import { severities } from './protocol.js';
import { Store } from './store.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').Severity} Severity
 *
 * @typedef {object} AlertFilter
 * @property {boolean} openOnly
 * @property {Severity | ''} severity
 *
 * @typedef {object} AlertChange
 * @property {Alert[]} news Events that have just happened, rather than what had happened before this page came.
 */

/** How many cleared alerts are remembered: enough to see what has just been, not a history. */
const keptCleared = 200;

/**
 * Knows the open alerts and those cleared last.
 *
 * @extends {Store<AlertChange>}
 */
export class AlertStore extends Store {
  /** @type {Map<string, Alert>} */
  #open = new Map();
  /** Cleared alerts, first cleared first. @type {Map<string, Alert>} */
  #cleared = new Map();

  /** Drops the open alerts, because the server is about to send all of them; cleared ones are kept. */
  clearOpen() {
    this.#open.clear();
    this.changed({ news: [] });
  }

  /**
   * Forgets the open alerts of devices that are no more.
   *
   * @param {Set<string>} devices
   */
  removeOf(devices) {
    for (const [id, alert] of this.#open) {
      if (devices.has(alert.device_id)) this.#open.delete(id);
    }
    this.changed({ news: [] });
  }

  get openCount() {
    return this.#open.size;
  }

  /**
   * Adds events, oldest first, and returns those that change something. An event that comes after one of a later stage is late,
   * and does not reopen a cleared alert.
   *
   * @param {Alert[]} events
   * @param {{snapshot?: boolean}} [of] That the events are of a snapshot or the archive: they are not news to anybody.
   * @returns {Alert[]}
   */
  apply(events, { snapshot = false } = {}) {
    const news = events.filter((event) => this.#applyOne(event));
    this.changed({ news: snapshot ? [] : news });
    return news;
  }

  /** @param {Alert} event */
  #applyOne(event) {
    if (this.#cleared.has(event.id)) return false;
    if (event.state === 'cleared') {
      this.#open.delete(event.id);
      this.#cleared.set(event.id, event);
      this.#forget();
      return true;
    }
    const known = this.#open.get(event.id);
    if (known && Date.parse(known.timestamp) >= Date.parse(event.timestamp)) return false;
    this.#open.set(event.id, event);
    return true;
  }

  #forget() {
    for (const id of this.#cleared.keys()) {
      if (this.#cleared.size <= keptCleared) return;
      this.#cleared.delete(id);
    }
  }

  /** @returns {Record<Severity, number>} How many alerts of each severity are open. */
  counts() {
    const counts = { critical: 0, warning: 0, info: 0 };
    for (const { severity } of this.#open.values()) counts[severity] += 1;
    return counts;
  }

  /** @returns {Severity | null} The most urgent severity that is open. */
  worst() {
    const counts = this.counts();
    return severities.find((severity) => counts[severity] > 0) ?? null;
  }

  /**
   * Returns the alerts to list: open ones before cleared ones, of the open ones the most urgent first, then the newest event first. In a
   * flood of warnings the one critical alert is at the top.
   *
   * @param {AlertFilter} filter
   * @returns {Alert[]}
   */
  list(filter) {
    const wanted = (/** @type {Alert} */ { severity }) => !filter.severity || severity === filter.severity;
    const urgent = mostUrgentFirst([...this.#open.values()].filter(wanted));
    return filter.openOnly ? urgent : [...urgent, ...newestFirst([...this.#cleared.values()].filter(wanted))];
  }

  /**
   * Returns the open alerts of a device, the most urgent first, and then the newest event first.
   *
   * @param {string} device
   */
  openOf(device) {
    return mostUrgentFirst([...this.#open.values()].filter((alert) => alert.device_id === device));
  }
}

/** @param {Alert[]} alerts */
function mostUrgentFirst(alerts) {
  const sorted = newestFirst(alerts);
  return severities.flatMap((severity) => sorted.filter((alert) => alert.severity === severity));
}

/** @param {Alert[]} alerts */
function newestFirst(alerts) {
  return alerts
    .map((alert) => ({ alert, time: Date.parse(alert.timestamp) }))
    .sort((a, b) => b.time - a.time)
    .map(({ alert }) => alert);
}

/**
 * Whether alerts of a rule are about the device itself, without a value and a threshold.
 *
 * @param {string} rule
 */
export function comparesNothing(rule) {
  return rule === 'device_offline' || rule === 'device_clock_step';
}

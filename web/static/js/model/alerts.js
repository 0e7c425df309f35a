// @ts-check
import { lifeOf } from './alert-life.js';
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

/** How many alerts that have cleared without being acknowledged are remembered: more than open together in the worst flood. */
const keptReturned = 20_000;

/**
 * Knows the open alerts, those that have cleared and that nobody has acknowledged, and those cleared last.
 *
 * @extends {Store<AlertChange>}
 */
export class AlertStore extends Store {
  /** @type {Map<string, Alert>} */
  #open = new Map();
  /** Cleared alerts, first cleared first. @type {Map<string, Alert>} */
  #cleared = new Map();
  /** Those of the cleared ones that nobody has acknowledged, first cleared first. @type {Map<string, Alert>} */
  #returned = new Map();
  /** Which of those only the archive has named, and no event. @type {Set<string>} */
  #archived = new Set();

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
    for (const [id, alert] of this.#returned) if (devices.has(alert.device_id)) this.#returned.delete(id);
    this.changed({ news: [] });
  }

  /** The alerts that somebody has something to do with: the open ones, and the cleared ones that nobody has acknowledged. @returns {Alert[]} */
  get pending() {
    return [...this.#open.values(), ...this.#returned.values()];
  }

  /** How many these are. */
  get pendingCount() {
    return this.#open.size + this.#returned.size;
  }

  /**
   * What is known of an alert.
   *
   * @param {string} id
   */
  find(id) {
    return this.#open.get(id) ?? this.#returned.get(id) ?? this.#cleared.get(id);
  }

  get openCount() {
    return this.#open.size;
  }

  /**
   * Adds events, oldest first, and returns those that change something. The server sends the events of an alert in their order; a repeated one
   * changes nothing, and one of an alert that stands does not reopen it once it has cleared.
   *
   * @param {Alert[]} events
   * @param {{snapshot?: boolean}} [of] That the events are of a snapshot or the archive: they are not news to anybody, and may be older
   *   than what is known.
   * @returns {Alert[]}
   */
  apply(events, { snapshot = false } = {}) {
    const news = events.filter((event) => (event.state === 'cleared' ? this.#clear(event, snapshot) : this.#stand(event, snapshot)));
    if (news.length > 0) this.changed({ news: snapshot ? [] : news });
    return news;
  }

  /**
   * Takes the alerts that the archive has as cleared and unacknowledged, oldest first. The archive is behind what is live: what it alone has named is
   * forgotten once it no longer names it, because somebody had acknowledged it before this page came.
   *
   * @param {Alert[]} alerts
   * @param {{whole: boolean}} of Whether there are no others.
   */
  applyReturned(alerts, { whole }) {
    const named = new Set(alerts.map(({ id }) => id));
    let forgotten = false;
    for (const id of this.#archived) {
      const returned = this.#returned.has(id);
      if (returned && (named.has(id) || !whole)) continue;
      this.#archived.delete(id);
      if (!returned) continue;
      this.#returned.delete(id);
      this.#cleared.delete(id);
      forgotten = true;
    }
    if (this.apply(alerts, { snapshot: true }).length === 0 && forgotten) this.changed({ news: [] });
  }

  /**
   * @param {Alert} event
   * @param {boolean} snapshot
   */
  #stand(event, snapshot) {
    const known = this.#open.get(event.id);
    if (this.#cleared.has(event.id) || this.#returned.has(event.id)) return false;
    if (known && (repeats(known, event) || (snapshot && Date.parse(known.timestamp) >= Date.parse(event.timestamp)))) return false;
    this.#open.set(event.id, event);
    return true;
  }

  /**
   * Somebody may acknowledge or comment on an alert after it has cleared.
   *
   * @param {Alert} event
   * @param {boolean} snapshot
   */
  #clear(event, snapshot) {
    const known = this.#cleared.get(event.id) ?? this.#returned.get(event.id);
    if (known && (snapshot || repeats(known, event))) return false;
    this.#open.delete(event.id);
    this.#returned.delete(event.id);
    this.#cleared.delete(event.id);
    this.#cleared.set(event.id, event);
    if (lifeOf(event) === 'returned_unacknowledged') this.#returned.set(event.id, event);
    if (snapshot) this.#archived.add(event.id);
    else this.#archived.delete(event.id);
    forget(this.#cleared, keptCleared);
    forget(this.#returned, keptReturned);
    return true;
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

/**
 * Whether an event says nothing that is not known.
 *
 * @param {Alert} known
 * @param {Alert} event
 */
function repeats(known, event) {
  const same = (/** @type {keyof Alert} */ key) => known[key] === event[key];
  return same('timestamp') && same('state') && same('alarm_state') && same('suppressed') && same('suppressed_until') && same('suppressed_by') &&
    same('suppressed_reason') && same('suppressed_actor') && same('actor') && same('comment');
}

/**
 * Keeps the newest ones.
 *
 * @param {Map<string, Alert>} alerts
 * @param {number} most
 */
function forget(alerts, most) {
  for (const id of alerts.keys()) {
    if (alerts.size <= most) return;
    alerts.delete(id);
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

/** What the server says of a value beyond the threshold of a rule that has no text of its own; a statistic is said to be "within" a time. */
const plainWords = /^[^内]*(?:超过|低于)阈值: .+ [<>] .+$/;

/**
 * Whether an alert is that a value is beyond a threshold, and nothing else is to be said of it: then its fields say it in any language and unit.
 *
 * @param {{message: string}} alert
 */
export function comparesValue({ message }) {
  return plainWords.test(message);
}

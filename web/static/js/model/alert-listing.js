// @ts-check
import { addressedAlerts, groupedAlerts, selectedAlerts } from './alert-query.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./alert-query.js').AlertGroup} AlertGroup
 * @typedef {import('./alert-query.js').AlertQuery} AlertQuery
 * @typedef {import('./alert-query.js').Grouping} Grouping
 */

/**
 * What is listed of the alerts that stand. While somebody works in the list its rows keep their places: what is handled stays where it was, and
 * what is new waits.
 */
export class AlertListing {
  #alerts;
  #textOf;
  #made = '';
  #what = '';
  /** @type {AlertQuery} */
  #query = addressedAlerts({ get: () => '' });
  /** @type {Grouping} */
  #grouping = '';
  /** @type {Alert[]} */
  #listed = [];
  /** @type {AlertGroup[]} */
  #groups = [];
  #waiting = 0;

  /**
   * @param {import('./alerts.js').AlertStore} alerts
   * @param {(alert: Alert) => string} textOf All of an alert's words, in lower case.
   */
  constructor(alerts, textOf) {
    this.#alerts = alerts;
    this.#textOf = textOf;
  }

  get query() {
    return this.#query;
  }

  get grouping() {
    return this.#grouping;
  }

  /** The alerts that are listed, or are in the groups that are. */
  get listed() {
    return this.#listed;
  }

  get groups() {
    return this.#groups;
  }

  /** How many alerts are to be listed once the rows may move again. */
  get waiting() {
    return this.#waiting;
  }

  /** How many rows there are. */
  get length() {
    return this.#grouping ? this.#groups.length : this.#listed.length;
  }

  /**
   * Names what a row shows.
   *
   * @param {number} index
   */
  keyOf(index) {
    return this.#grouping ? this.#groups[index]?.key : this.#listed[index]?.id;
  }

  /**
   * The alerts of a row.
   *
   * @param {number} index
   * @returns {Alert[]}
   */
  alertsAt(index) {
    if (this.#grouping) return this.#groups[index]?.alerts ?? [];
    const alert = this.#listed[index];
    return alert ? [alert] : [];
  }

  /**
   * Makes the list anew if there is anything new, and returns whether it has.
   *
   * @param {{query: AlertQuery, grouping: Grouping, words: string, held: boolean}} wanted Words names the language, in which alerts are searched; held
   *   has the rows stay.
   */
  renew({ query, grouping, words, held }) {
    const what = JSON.stringify([query, grouping, words]);
    const stays = held && !grouping && what === this.#what;
    const made = `${this.#alerts.version} ${stays} ${what}`;
    if (made === this.#made) return false;
    this.#made = made;
    this.#what = what;
    this.#query = query;
    this.#grouping = grouping;
    const selected = selectedAlerts(this.#alerts.pending, query, this.#textOf);
    if (stays) {
      const there = new Set(this.#listed.map(({ id }) => id));
      this.#listed = this.#listed.map((alert) => this.#alerts.find(alert.id) ?? alert);
      this.#waiting = selected.reduce((sum, { id }) => sum + (there.has(id) ? 0 : 1), 0);
    } else {
      this.#listed = selected;
      this.#waiting = 0;
    }
    this.#groups = grouping ? groupedAlerts(this.#listed, grouping) : [];
    return true;
  }
}

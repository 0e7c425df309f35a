// @ts-check
import { Store } from './store.js';

/** @typedef {import('./protocol.js').Alert} Alert */

/** How many alerts are asked for at once, and how many are held at most. */
const page = 200;
const most = 20_000;

/** Alerts of the archive that match a query, newest onset first: as many as have been asked for, page by page. */
export class AlertArchive extends Store {
  #ask;
  /** @type {Alert[]} */
  #alerts = [];
  /** @type {Record<string, string>} */
  #query = {};
  /** Leads to older ones; empty if there are none. */
  #next = '';
  #newest;
  #older;

  /**
   * @param {import('./history.js').History} history
   * @param {<A>(question: (signal: AbortSignal) => Promise<A>, apply: (answer: A) => void) => import('./history-request.js').HistoryRequest<A>} ask Makes a request.
   */
  constructor(history, ask) {
    super();
    this.#ask = (/** @type {string} */ cursor, /** @type {AbortSignal} */ signal) => history.alertPage(this.#query, { cursor, limit: page }, signal);
    this.#newest = ask((signal) => this.#ask('', signal), (answer) => this.#begin(answer));
    this.#older = ask((signal) => this.#ask(this.#next, signal), ({ items, next = '' }) => {
      this.#alerts = [...this.#alerts, ...items];
      this.#next = next;
      this.changed();
    });
  }

  /**
   * Takes the newest alerts. Older ones that have been asked for stay, if nothing is missing between them.
   *
   * @param {{items: Alert[], next?: string}} answer
   */
  #begin({ items, next = '' }) {
    const last = items.at(-1)?.id;
    const place = next ? this.#alerts.findIndex(({ id }) => id === last) : -1;
    if (place < 0) {
      this.#older.cancel();
      this.#alerts = items;
      this.#next = next;
    } else {
      const answered = new Set(items.map(({ id }) => id));
      this.#alerts = [...items, ...this.#alerts.slice(place + 1).filter(({ id }) => !answered.has(id))];
    }
    this.changed();
  }

  get alerts() {
    return this.#alerts;
  }

  /** Whether there are older ones to be asked for. */
  get more() {
    return this.#next !== '' && this.#alerts.length < most;
  }

  /** What was asked for last. */
  get request() {
    return this.#newest.phase === 'loaded' && this.#older.phase !== 'idle' ? this.#older : this.#newest;
  }

  /** Both requests, for those that show how far they are. */
  get requests() {
    return [this.#newest, this.#older];
  }

  /**
   * Begins with another query.
   *
   * @param {Record<string, string>} query
   */
  load(query) {
    this.#query = query;
    this.#alerts = [];
    this.#next = '';
    this.#older.cancel();
    this.#newest.load();
  }

  /** Says that the newest may have changed. */
  outdate() {
    this.#newest.outdate();
  }

  /**
   * Asks for the newest again in the background if the answer is older than a period; to be called every second.
   *
   * @param {number} period In milliseconds.
   */
  renew(period) {
    this.#newest.renew(period);
  }

  /** Asks for what failed once more. */
  retry() {
    this.request.load();
  }

  /** Asks for older ones, unless that is being done. */
  older() {
    if (this.more && this.#newest.phase === 'loaded' && this.#older.phase !== 'loading' && this.#older.phase !== 'failed') this.#older.load();
  }
}

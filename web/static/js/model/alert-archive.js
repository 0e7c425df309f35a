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
    this.#newest = ask((signal) => this.#ask('', signal), ({ items, next = '' }) => {
      this.#alerts = items;
      this.#next = next;
      this.changed();
    });
    this.#older = ask((signal) => this.#ask(this.#next, signal), ({ items, next = '' }) => {
      this.#alerts = [...this.#alerts, ...items];
      this.#next = next;
      this.changed();
    });
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

  /** Asks for what failed once more. */
  retry() {
    this.request.load();
  }

  /** Asks for older ones, unless that is being done. */
  older() {
    if (this.more && this.#newest.phase === 'loaded' && this.#older.phase !== 'loading' && this.#older.phase !== 'failed') this.#older.load();
  }
}

// @ts-check
import { AlertList } from '../../../components/alert-list.js';
import { find } from '../../../components/dom.js';
import { LoadState } from '../../../components/load-state.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/protocol.js').Alert} Alert
 * @typedef {import('../../../app/session.js').Session} Session
 */

/** How many are loaded at once, and how many are listed at most. */
const page = 50;
const most = 1000;

/** The alerts of one device that are cleared, newest first. */
export class PastAlerts {
  #list;
  #older;
  #newest;
  #more;
  #state;
  /** @type {Alert[]} */
  #alerts = [];
  /** Leads to older ones; empty if there are none. */
  #next = '';

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {string} id The device's.
   * @param {AbortSignal} signal
   */
  constructor(root, session, id, signal) {
    this.#list = new AlertList(find(root, '#device-past-alerts', HTMLElement), find(root, '#device-no-past', HTMLElement), session);
    this.#older = find(root, '#device-older-alerts', HTMLButtonElement);
    const ask = (/** @type {string} */ cursor, /** @type {AbortSignal} */ asking) => session.history.pastAlerts(id, { cursor, limit: page }, asking);
    this.#newest = session.ask((asking) => ask('', asking), ({ items, next = '' }) => this.#renew(items, next), signal);
    this.#more = session.ask((asking) => ask(this.#next, asking), ({ items, next = '' }) => {
      this.#alerts.push(...items);
      this.#next = next;
    }, signal);
    const retry = () => (this.#newest.phase === 'failed' ? this.#newest : this.#more).load();
    this.#state = new LoadState(find(root, '#past-state', HTMLElement), session, { empty: texts.noPastAlerts, onRetry: retry }, signal);
    this.#older.addEventListener('click', () => this.#more.load(), { signal });
    for (const request of [this.#newest, this.#more]) request.subscribe(() => this.#draw(), { signal });
    // One that has just been cleared comes by a message before the archive has it.
    session.alerts.subscribe(({ news }) => {
      const cleared = news.filter(({ device_id: device, state }) => device === id && state === 'cleared');
      if (cleared.length > 0) this.#add(cleared);
    }, { signal });
    session.clock.subscribe(() => this.#draw(), { signal });
  }

  start() {
    this.#newest.load();
  }

  /**
   * @param {Alert[]} items
   * @param {string} next
   */
  #renew(items, next) {
    const known = new Set(items.map(({ id }) => id));
    this.#alerts = [...this.#alerts.filter(({ id }) => !known.has(id)), ...items];
    this.#next = next;
  }

  /** @param {import('../../../model/display.js').Display | undefined} display As the device's values are shown. */
  set display(display) {
    this.#list.display = display;
  }

  /** @param {Alert[]} cleared */
  #add(cleared) {
    const known = new Set(this.#alerts.map(({ id }) => id));
    this.#alerts.unshift(...cleared.filter(({ id }) => !known.has(id)).reverse());
    this.#draw();
  }

  #draw() {
    const request = this.#newest.phase === 'loaded' && this.#more.phase !== 'idle' ? this.#more : this.#newest;
    this.#list.show(this.#alerts.slice(0, most));
    this.#list.empty.hidden = true; // What is said instead has a place of its own.
    this.#state.update(request, { empty: this.#alerts.length === 0 });
    this.#older.hidden = this.#next === '' || this.#alerts.length >= most || this.#more.phase === 'loading';
  }

  /** Everything in another language. */
  show() {
    this.#list.forget();
    this.#draw();
  }
}

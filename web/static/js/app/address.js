// @ts-check
import { Store } from '../model/store.js';

/**
 * The page's address: the path that names the page, and the query that says what it shows, so that it can be reloaded, kept and
 * sent to somebody. Elements follow it and draw what it says; to change what is shown they change the address.
 */
export class Address extends Store {
  #location;
  #history;
  #path;
  #query;
  /** The entry of the browser's history that is shown, counted from the one that was loaded first. */
  #entry = 0;

  /**
   * @param {object} browser
   * @param {{pathname: string, search: string}} browser.location
   * @param {{state: unknown, pushState: History['pushState'], replaceState: History['replaceState']}} browser.history
   */
  constructor({ location, history }) {
    super();
    this.#location = location;
    this.#history = history;
    this.#path = location.pathname;
    this.#query = new URLSearchParams(location.search);
    this.#entry = this.#present;
  }

  /** The number of the entry that the browser is at. */
  get #present() {
    return Number(this.#history.state) || 0;
  }

  /** How many entries the browser has gone on by itself, less than 0 for back, before moved is called. */
  get distance() {
    return this.#present - this.#entry;
  }

  get path() {
    return this.#path;
  }

  /**
   * Returns a value of the query, empty if there is none.
   *
   * @param {string} name
   */
  get(name) {
    return this.#query.get(name) ?? '';
  }

  /**
   * Changes the query; the reader can go back to what was before.
   *
   * @param {Record<string, string>} values What is not given stays, what is empty is left out.
   */
  push(values) {
    this.#change(values, (href) => this.#history.pushState(++this.#entry, '', href));
  }

  /**
   * Changes the query in place: going back leads to what was before other changes.
   *
   * @param {Record<string, string>} values As of push.
   */
  replace(values) {
    this.#change(values, (href) => this.#history.replaceState(this.#entry, '', href));
  }

  /**
   * Opens another page of the application.
   *
   * @param {{pathname: string, search: string}} page
   */
  open({ pathname, search }) {
    this.#history.pushState(++this.#entry, '', pathname + search);
    this.moved();
  }

  /** The browser has gone to another address by itself: back or forward. */
  moved() {
    const { pathname, search } = this.#location;
    this.#entry = this.#present;
    const query = new URLSearchParams(search);
    if (pathname === this.#path && query.toString() === this.#query.toString()) return;
    this.#path = pathname;
    this.#query = query;
    this.changed();
  }

  /**
   * @param {Record<string, string>} values
   * @param {(href: string) => void} write
   */
  #change(values, write) {
    const before = this.#query.toString();
    for (const [name, value] of Object.entries(values)) {
      if (value) this.#query.set(name, value);
      else this.#query.delete(name);
    }
    const query = this.#query.toString();
    write(query ? `${this.#path}?${query}` : this.#path);
    if (query !== before) this.changed();
  }
}

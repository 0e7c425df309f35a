// @ts-check
import { addressedDevice } from '../model/device-link.js';
import { Store } from '../model/store.js';
import { parentPath } from './routes.js';

/**
 * @typedef {import('./address.js').Address} Address
 * @typedef {import('./routes.js').Route} Route
 */

/**
 * Knows which page the address names, and lets links within the application change the address without loading anything. Its followers are
 * called when the address names another page, or another item of the same page.
 */
export class Router extends Store {
  #address;
  #root;
  #routes;
  /** @type {Route} */
  #route;
  /** @type {string} */
  #item;

  /**
   * @param {Address} address
   * @param {URL} root The application's address.
   * @param {readonly [Route, ...Route[]]} routes
   */
  constructor(address, root, routes) {
    super();
    this.#address = address;
    this.#root = root;
    this.#routes = routes;
    this.#route = this.#find(address.path) ?? routes[0];
    this.#item = this.#itemOf(address.path);
  }

  /** The page that the address names. */
  get route() {
    return this.#route;
  }

  /** The item that the page shows, as it is written in the address; empty for a page that shows none. */
  get item() {
    return this.#item;
  }

  /**
   * The address of a page that shows no single item.
   *
   * @param {Route} route
   */
  href({ path }) {
    return new URL(path, this.#root).href;
  }

  /**
   * @param {string} path
   * @returns {Route | undefined}
   */
  #find(path) {
    if (!path.startsWith(this.#root.pathname)) return undefined;
    const name = path.slice(this.#root.pathname.length);
    if (name === '') return this.#routes[0];
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')));
    if (parent === '') return this.#routes.find((route) => route.path === name);
    return parent.length + 1 < name.length ? this.#routes.find((route) => parentPath(route) === parent) : undefined;
  }

  /** @param {string} path */
  #itemOf(path) {
    return parentPath(this.#route) ? path.slice(path.lastIndexOf('/') + 1) : '';
  }

  /**
   * Follows the browser's address and the links of a page.
   *
   * @param {Window} window
   * @param {AbortSignal} signal
   */
  listen(window, signal) {
    const { location } = window;
    window.addEventListener('popstate', () => this.#address.moved(), { signal });
    window.addEventListener('hashchange', () => this.#redirect(location.hash), { signal });
    window.document.addEventListener('click', (event) => this.#follow(event), { signal });
    this.#address.subscribe(() => {
      const { route: before, item } = this;
      this.#route = this.#find(this.#address.path) ?? this.#routes[0];
      this.#item = this.#itemOf(this.#address.path);
      if (this.#route !== before || this.#item !== item) this.changed();
    }, { signal });
    this.#redirect(location.hash);
  }

  /**
   * Opens the device of an address in its old form, which is in bookmarks and messages.
   *
   * @param {string} hash
   */
  #redirect(hash) {
    const device = addressedDevice(hash);
    if (device !== null) this.#address.replace({ device });
  }

  /** @param {MouseEvent} event */
  #follow(event) {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    const href = link?.getAttribute('href');
    if (!link || !href || link.target || link.hasAttribute('download')) return;
    if (href.startsWith('?')) {
      // Such a link changes only what it names: filters, for one, stay.
      event.preventDefault();
      this.#address.push(Object.fromEntries(new URLSearchParams(href)));
      return;
    }
    const url = new URL(link.href);
    if (url.origin !== this.#root.origin || href.startsWith('#') || !this.#find(url.pathname)) return;
    event.preventDefault();
    this.#address.open(url);
  }
}

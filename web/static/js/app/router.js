// @ts-check
import { addressedDevice } from '../model/device-link.js';
import { Store } from '../model/store.js';
import { parentPath } from './routes.js';

/**
 * @typedef {import('./address.js').Address} Address
 * @typedef {import('./routes.js').Route} Route
 *
 * @typedef {object} Leave Whether the page may be left.
 * @property {boolean} doubtful Whether there is something to ask first.
 * @property {() => Promise<boolean>} allowed Asks, if there is.
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
  /** The browser is on its way back to the page that is shown. */
  #returning = false;
  /** The reader has decided to leave. */
  #decided = false;

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
    this.#item = itemOf(this.#route, address.path);
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
    const whole = this.#routes.find((route) => route.whole && route.path === name);
    if (whole) return whole;
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')));
    if (parent === '') return this.#routes.find((route) => route.path === name);
    return parent.length + 1 < name.length ? this.#routes.find((route) => !route.whole && parentPath(route) === parent) : undefined;
  }

  /**
   * Follows the browser's address and the links of a page.
   *
   * @param {Window} window
   * @param {Leave} leave
   * @param {AbortSignal} signal
   */
  listen(window, leave, signal) {
    const { location } = window;
    window.addEventListener('popstate', () => void this.#moved(window, leave), { signal });
    window.addEventListener('hashchange', () => this.#redirect(location.hash), { signal });
    window.document.addEventListener('click', (event) => this.#follow(event, leave), { signal });
    this.#address.subscribe(() => {
      const { route: before, item } = this;
      this.#route = this.#find(this.#address.path) ?? this.#routes[0];
      this.#item = itemOf(this.#route, this.#address.path);
      if (this.#route !== before || this.#item !== item) this.changed();
    }, { signal });
    this.#redirect(location.hash);
  }

  /**
   * The browser has gone back or forward by itself. If what is shown must not be lost it comes back, and goes there again when the reader
   * agrees.
   *
   * @param {Window} window
   * @param {Leave} leave
   */
  async #moved({ history, location }, leave) {
    const { distance } = this.#address;
    if (this.#returning) {
      this.#returning = false;
      return;
    }
    if (this.#decided || distance === 0 || !leave.doubtful || !this.#leaves(location.pathname)) {
      this.#decided = false;
      this.#address.moved();
      return;
    }
    this.#returning = true;
    history.go(-distance);
    if (!(await leave.allowed())) return;
    this.#decided = true;
    history.go(distance);
  }

  /**
   * Whether a path is that of another page, or of another item.
   *
   * @param {string} path
   */
  #leaves(path) {
    const route = this.#find(path);
    return route !== this.#route || (route !== undefined && itemOf(route, path) !== this.#item);
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

  /**
   * @param {MouseEvent} event
   * @param {Leave} leave
   */
  async #follow(event, leave) {
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
    if (!this.#leaves(url.pathname) || (await leave.allowed())) this.#address.open(url);
  }
}

/**
 * @param {Route} route
 * @param {string} path
 */
function itemOf(route, path) {
  return parentPath(route) && !route.whole ? path.slice(path.lastIndexOf('/') + 1) : '';
}

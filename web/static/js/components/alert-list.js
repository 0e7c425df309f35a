// @ts-check
import { sameDisplay } from '../model/display.js';
import { AlertItem } from './alert-item.js';

/**
 * @typedef {import('../model/protocol.js').Alert} Alert
 * @typedef {import('../app/session.js').Session} Session
 */

/** A list of alerts. An alert keeps its item for as long as it is listed, so that focus and selection stay where they are. */
export class AlertList {
  /** @type {Map<string, AlertItem>} */
  #items = new Map();
  /** @type {import('../model/display.js').Display | undefined} */
  #display;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} empty Shown instead when there is nothing to list.
   * @param {Session} session
   */
  constructor(list, empty, session) {
    this.list = list;
    this.empty = empty;
    this.session = session;
  }

  /** How the values of the device are shown, where all alerts are of one. @param {import('../model/display.js').Display | undefined} display */
  set display(display) {
    if (sameDisplay(display, this.#display)) return;
    this.#display = display;
    this.forget();
  }

  /** @param {Alert[]} alerts */
  show(alerts) {
    const listed = new Set(alerts.map(({ id }) => id));
    for (const [id, item] of this.#items) {
      if (listed.has(id)) continue;
      item.element.remove();
      this.#items.delete(id);
    }
    alerts.forEach((alert, i) => this.#place(alert, i));
    this.empty.hidden = alerts.length > 0;
  }

  /**
   * @param {Alert} alert
   * @param {number} index
   */
  #place(alert, index) {
    let item = this.#items.get(alert.id);
    if (!item) this.#items.set(alert.id, (item = new AlertItem()));
    item.show(alert, this.session, this.#display);
    const there = this.list.children[index] ?? null;
    if (there !== item.element) this.list.insertBefore(item.element, there);
  }

  /** Has the next show write everything, in another language. */
  forget() {
    for (const item of this.#items.values()) item.forget();
  }
}

// @ts-check
import { Store } from './store.js';

/** Which items of a listing are chosen, by their ids, and what is known of each. @template Item */
export class Choice extends Store {
  /** @type {Map<string, Item>} */
  #items = new Map();

  get size() {
    return this.#items.size;
  }

  /** The chosen ids and items, in the order in which they were chosen. @returns {[string, Item][]} */
  get entries() {
    return [...this.#items];
  }

  /** @param {string} id */
  has(id) {
    return this.#items.has(id);
  }

  /**
   * @param {string} id
   * @param {Item} item
   */
  add(id, item) {
    this.#items.set(id, item);
    this.changed();
  }

  /** @param {string} id */
  delete(id) {
    if (this.#items.delete(id)) this.changed();
  }

  /**
   * Chooses these alone.
   *
   * @param {Iterable<[string, Item]>} items
   */
  replace(items) {
    this.#items = new Map(items);
    this.changed();
  }

  /**
   * Notes what is known by now of those that are chosen.
   *
   * @param {Iterable<[string, Item]>} items
   */
  renew(items) {
    for (const [id, item] of items) if (this.#items.has(id)) this.#items.set(id, item);
  }
}

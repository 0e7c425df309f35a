// @ts-check
import { Store } from './store.js';

/**
 * @typedef {import('./protocol.js').Device} Device
 *
 * @typedef {object} Entry What people have decided about a device.
 * @property {string} [name]
 * @property {string} [area]
 * @property {Record<string, string>} [labels]
 * @property {Record<string, number>} [limits] By the name of the rule whose threshold they replace.
 * @property {string} [unit] In which people want to see the values.
 * @property {number} [interval_seconds]
 * @property {boolean} [retired]
 * @property {string} [parent] The id of the device through which it sends.
 *
 * @typedef {Entry & {version: number}} Registered
 *
 * @typedef {Partial<Omit<Device, 'status'>> & {device_id: string, status: import('./protocol.js').Status | 'never_sent', area?: string,
 *   display?: import('./display.js').Display, registered?: Registered}} ListedDevice One that has never sent has an entry alone.
 *
 * @typedef {object} DeviceQuery What is empty does not narrow.
 * @property {string} type
 * @property {string} area
 * @property {'' | 'online' | 'offline' | 'never_sent' | 'alerting' | 'retired'} status
 * @property {string} label Its name, or name=value.
 * @property {string} q A part of the id or the name, in either case.
 * @property {string} sort
 * @property {'asc' | 'desc'} order
 */

/** So many rows beyond each edge of what can be seen are asked for as well. */
const margin = 100;

/** What is beyond the edge of what can be seen is asked for again when it is less than so many rows. */
const least = 30;

/**
 * The part of a long listing that can be seen, with a margin on each side. The server has the rest: whatever is scrolled through, no more is
 * held.
 */
export class DeviceList extends Store {
  /** @type {ListedDevice[]} */
  #items = [];
  #offset = 0;
  /** How many devices match; -1 before the first answer. */
  #total = -1;
  /** What the answer is to. @type {DeviceQuery | null} */
  #query = null;
  /** Entries that were decided on this page and that the server has not listed yet, by device. @type {Map<string, Registered>} */
  #entered = new Map();

  /** How many devices match; 0 before the first answer. */
  get total() {
    return Math.max(0, this.#total);
  }

  /** Whether there has been an answer. */
  get known() {
    return this.#total >= 0;
  }

  /** What the answer is to; null before the first. */
  get query() {
    return this.#query;
  }

  /** The devices that are held, in their order. */
  get items() {
    return this.#items;
  }

  /**
   * The device at an index of the whole listing; undefined while it is not there.
   *
   * @param {number} index
   */
  at(index) {
    return this.#items[index - this.#offset];
  }

  /**
   * @param {string} id
   */
  find(id) {
    return this.#items.find((item) => item.device_id === id);
  }

  /**
   * What is to be asked for when the rows from first on can be seen.
   *
   * @param {number} first
   * @param {number} count How many rows.
   */
  static part(first, count) {
    const offset = Math.max(0, first - margin);
    return { offset, limit: Math.min(1000, first + count + margin - offset) };
  }

  /**
   * Whether some of the rows that can be seen, or of those next to them, are not there.
   *
   * @param {number} first
   * @param {number} count
   */
  lacks(first, count) {
    const end = this.#offset + this.#items.length;
    return Math.max(0, first - least) < this.#offset || Math.min(this.total, first + count + least) > end;
  }

  /**
   * Replaces what is held by an answer.
   *
   * @param {DeviceQuery} query
   * @param {{offset: number, items: ListedDevice[], total: number}} answer
   */
  apply(query, { offset, items, total }) {
    this.#query = query;
    this.#offset = offset;
    this.#items = items.map((item) => this.#withEntered(item));
    this.#total = total;
    this.changed();
  }

  /**
   * Notes the entry that a device has now. It is shown until the server lists that version, or a later one.
   *
   * @param {string} id
   * @param {Registered} entry
   */
  enter(id, entry) {
    this.#entered.set(id, entry);
    this.#items = this.#items.map((item) => (item.device_id === id ? this.#withEntered(item) : item));
    this.changed();
  }

  /**
   * @param {ListedDevice} item
   * @returns {ListedDevice}
   */
  #withEntered(item) {
    const entered = this.#entered.get(item.device_id);
    if (!entered) return item;
    if ((item.registered?.version ?? 0) < entered.version) return { ...item, registered: entered };
    this.#entered.delete(item.device_id);
    return item;
  }
}

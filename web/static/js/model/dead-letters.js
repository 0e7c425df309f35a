// @ts-check
import { Store } from './store.js';

/**
 * @typedef {object} DeadLetter A record that was rejected, as the server describes it.
 * @property {string} id
 * @property {string} rejected_at
 * @property {string} field The JSON path of what is wrong; empty for the record as a whole.
 * @property {string} reason
 * @property {string} [reason_code] Its code; one of an earlier version has none.
 * @property {Record<string, string>} [reason_arguments]
 * @property {string} kind
 * @property {{topic: string, partition: number, offset: number, appended_at: string}} [source]
 * @property {{name: string, topic: string}} [received_by] The source that has received it: it is a message, and no reading of the log.
 * @property {string} key The device's id, if the record has a key; of a message, the source's name.
 * @property {'utf-8' | 'base64'} encoding
 * @property {string} value
 * @property {number} size In bytes, as it was received.
 * @property {boolean} complete Whether value is all of it.
 *
 * @typedef {object} Resent What became of a dead letter that was to be sent again.
 * @property {string} id
 * @property {'sent' | 'rejected' | 'gone'} result
 * @property {string} [field]
 * @property {string} [reason]
 */

/** The largest number of dead letters that are listed: more would be a task for a program. */
const most = 2000;

/** The dead letters that have been loaded, newest first, which of them are chosen, and what became of those that were sent again. */
export class DeadLetterStore extends Store {
  /** @type {DeadLetter[]} */
  #items = [];
  /** Leads to older ones; empty if there are none. */
  #next = '';
  /** Where the dead letters ended when the newest page was read; undefined before that. @type {number | undefined} */
  #listedEnd;
  /** Where they end now, as far as is known. @type {number | undefined} */
  #presentEnd;
  /** @type {Set<string>} */
  #chosen = new Set();
  /** @type {Map<string, Resent>} */
  #resent = new Map();

  get items() {
    return this.#items;
  }

  /** The cursor of the next page; empty if there is none, or if no more are listed. */
  get next() {
    return this.#items.length < most ? this.#next : '';
  }

  /** Whether all that the server has are listed. */
  get complete() {
    return this.#next === '';
  }

  /** Whether there are newer ones than those that are listed. */
  get newer() {
    return this.#listedEnd !== undefined && this.#presentEnd !== undefined && this.#presentEnd > this.#listedEnd;
  }

  /** Whether the list is not that of now: there are newer ones, or the topic was created anew and ends earlier. */
  get outdated() {
    return this.#listedEnd !== undefined && this.#presentEnd !== undefined && this.#presentEnd !== this.#listedEnd;
  }

  /** The ids of those that are chosen, newest first. */
  get chosen() {
    return this.#items.filter(({ id }) => this.#chosen.has(id)).map(({ id }) => id);
  }

  /** How many are chosen. */
  get chosenCount() {
    return this.#chosen.size;
  }

  /**
   * Begins anew with the newest page. What was chosen stays chosen if it is listed.
   *
   * @param {{items: DeadLetter[], next?: string, end?: number}} page
   */
  replace({ items, next = '', end }) {
    this.#items = items;
    this.#next = next;
    this.#listedEnd = end;
    const listed = new Set(items.map(({ id }) => id));
    for (const id of this.#chosen) if (!listed.has(id)) this.#chosen.delete(id);
    this.changed();
  }

  /**
   * Adds the next page.
   *
   * @param {{items: DeadLetter[], next?: string}} page
   */
  append({ items, next = '' }) {
    this.#items = [...this.#items, ...items];
    this.#next = next;
    this.changed();
  }

  /**
   * Notes where the dead letters end now.
   *
   * @param {number | undefined} end undefined while Kafka does not answer.
   */
  endAt(end) {
    if (end === this.#presentEnd) return;
    this.#presentEnd = end;
    this.changed();
  }

  /** How many could be sent again: readings, not messages of sources. */
  get sendable() {
    return this.#items.filter(isSendable).length;
  }

  /** @param {string} id */
  isChosen(id) {
    return this.#chosen.has(id);
  }

  /**
   * @param {string} id
   * @param {boolean} chosen
   */
  choose(id, chosen) {
    if (chosen) this.#chosen.add(id);
    else this.#chosen.delete(id);
    this.changed();
  }

  /** @param {boolean} chosen */
  chooseAll(chosen) {
    this.#chosen = new Set(chosen ? this.#items.filter(isSendable).map(({ id }) => id) : []);
    this.changed();
  }

  /**
   * Notes what became of some that were sent again. Those that were sent, or are gone, are no longer chosen.
   *
   * @param {Resent[]} results
   */
  record(results) {
    for (const result of results) {
      this.#resent.set(result.id, result);
      if (result.result !== 'rejected') this.#chosen.delete(result.id);
    }
    this.changed();
  }

  /**
   * What became of one when it was sent again; undefined if it was not.
   *
   * @param {string} id
   */
  resent(id) {
    return this.#resent.get(id);
  }
}

/**
 * Whether a dead letter may be a reading that can be sent again.
 *
 * @param {DeadLetter} letter
 */
export function isSendable({ received_by: receiver }) {
  return receiver === undefined;
}

/** How many bytes a line of a dump has. */
const bytesPerLine = 16;

/**
 * Returns what can be read of a value: its text, or a dump in hexadecimal numbers, with the characters that are ASCII beside them.
 *
 * @param {Pick<DeadLetter, 'encoding' | 'value'>} letter
 */
export function readable({ encoding, value }) {
  if (encoding !== 'base64') return value;
  const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  const lines = [];
  for (let at = 0; at < bytes.length; at += bytesPerLine) {
    const line = [...bytes.subarray(at, at + bytesPerLine)];
    const numbers = line.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const characters = line.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${numbers.padEnd(3 * bytesPerLine - 1)}  ${characters}`);
  }
  return lines.join('\n');
}

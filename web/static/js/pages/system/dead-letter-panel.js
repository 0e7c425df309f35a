// @ts-check
import { find, setText } from '../../components/dom.js';
import { LoadState } from '../../components/load-state.js';
import { VirtualRows } from '../../components/virtual-rows.js';
import { terms } from '../../locale/terms.js';
import { DeadLetterStore } from '../../model/dead-letters.js';
import { HistoryError } from '../../model/history.js';
import { LetterDetail } from './letter-detail.js';
import { LetterRow } from './letter-row.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/dead-letters.js').Resent} Resent
 */

/** The number of rows that are printed on paper. */
const printedRows = 50;

/** How many the server sends again in one request. */
const perRequest = 100;

/** The dead letters, newest first; those that are chosen can be sent again. */
export class DeadLetterPanel {
  #list = new DeadLetterStore();
  #session;
  #signal;
  #body;
  #all;
  #note;
  #older;
  #newer;
  #button;
  #result;
  /** @type {VirtualRows<LetterRow>} */
  #rows;
  #detail;
  #newest;
  #more;
  #state;
  /** Whether some are being sent. */
  #busy = false;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#session = session;
    this.#signal = signal;
    this.#body = find(root, '#letters tbody', HTMLElement);
    this.#all = find(root, '#letters-all', HTMLInputElement);
    this.#note = find(root, '#letters-note', HTMLElement);
    this.#older = find(root, '#letters-older', HTMLButtonElement);
    this.#newer = find(root, '#letters-new', HTMLButtonElement);
    this.#button = find(root, '#letters-resend', HTMLButtonElement);
    this.#result = find(root, '#letters-result', HTMLElement);
    this.#rows = this.#makeRows(root);
    const send = (/** @type {string[]} */ ids) => void this.#resend(ids);
    this.#detail = new LetterDetail(find(root, '#letter', HTMLElement), session, { list: this.#list, onResend: send }, signal);
    this.#newest = session.ask((asking) => session.history.deadLetters('', asking), (page) => this.#list.replace(page), signal);
    this.#more = session.ask((asking) => session.history.deadLetters(this.#list.next, asking), (page) => this.#list.append(page), signal);
    const retry = () => (this.#newest.phase === 'failed' ? this.#load() : this.#more.load());
    this.#state = new LoadState(find(root, '#letters-state', HTMLElement), session, { empty: texts.lettersNone, failed: texts.lettersFailed, onRetry: retry }, signal);
    this.#listen();
  }

  /** @param {HTMLElement} root */
  #makeRows(root) {
    return new VirtualRows({
      frame: find(root, '#letters', HTMLElement),
      list: this.#body,
      make: () => new LetterRow(root, (id, chosen) => this.#list.choose(id, chosen)),
      write: (row, i) => this.#write(row, i),
      keyOf: (i) => this.#list.items[i]?.id,
      printed: printedRows,
      signal: this.#signal,
    });
  }

  #listen() {
    const signal = this.#signal;
    this.#list.subscribe(() => this.update(), { signal });
    for (const request of [this.#newest, this.#more]) request.subscribe(() => this.update(), { signal });
    this.#session.address.subscribe(() => this.#open(), { signal });
    this.#older.addEventListener('click', () => this.#more.load(), { signal });
    this.#newer.addEventListener('click', () => this.#load(), { signal });
    this.#all.addEventListener('change', () => this.#list.chooseAll(this.#all.checked), { signal });
    this.#button.addEventListener('click', () => void this.#resend(this.#list.chosen), { signal });
    this.#body.addEventListener('click', (event) => {
      // The whole row opens what it shows; what is in it acts by itself.
      const row = event.target instanceof Element && !event.target.closest('a, input, .col-choose') ? event.target.closest('tr') : null;
      const link = row?.querySelector('a');
      link?.focus();
      link?.click();
    }, { signal });
  }

  start() {
    this.#load();
    this.#detail.open();
  }

  #load() {
    this.#more.cancel();
    this.#newest.load();
  }

  /**
   * Notes where the dead letters end now: the list is loaded anew if it is outdated, unless the reader has chosen or opened some.
   *
   * @param {number | undefined} end
   */
  notice(end) {
    this.#list.endAt(end);
    const engaged = this.#list.chosenCount > 0 || this.#detail.addressed !== '' || this.#body.contains(document.activeElement);
    if (this.#list.outdated && !engaged && this.#newest.phase === 'loaded') this.#load();
  }

  /** The address names another one, or none. */
  #open() {
    const focused = document.activeElement;
    const before = this.#detail.id;
    this.#detail.open();
    if (this.#detail.id === before) return;
    this.#rows.draw();
    // What had the keyboard is gone when the detail is closed: it goes back to the row.
    const index = this.#list.items.findIndex(({ id }) => id === before);
    if (index >= 0 && !focused?.isConnected) this.#rows.reveal(index)?.element.querySelector('a')?.focus();
  }

  /**
   * @param {LetterRow} row
   * @param {number} index
   */
  #write(row, index) {
    const letter = this.#list.items[index];
    if (!letter) return;
    const { id } = letter;
    row.show(letter, { chosen: this.#list.isChosen(id), open: id === this.#detail.addressed, resent: this.#list.resent(id) }, this.#session);
    row.element.ariaRowIndex = String(index + 2); // The head is the first.
  }

  /** @param {string[]} ids */
  async #resend(ids) {
    if (this.#busy || ids.length === 0) return;
    this.#busy = true;
    this.#say(texts.resending);
    this.update();
    const counts = { sent: 0, rejected: 0, gone: 0 };
    try {
      for (let at = 0; at < ids.length; at += perRequest) {
        const { items } = await this.#session.history.resend(ids.slice(at, at + perRequest), this.#signal);
        for (const { result } of items) counts[result]++;
        this.#list.record(items);
      }
      this.#say(texts.resentCounts, counts);
    } catch (error) {
      if (this.#signal.aborted) return;
      const reason = error instanceof HistoryError ? error.message : this.#session.locale.t(terms.disconnected);
      this.#say(texts.resendFailed, { reason });
    } finally {
      this.#busy = false;
    }
    this.update();
  }

  /**
   * @param {import('../../locale/locale.js').Text} text
   * @param {Record<string, string | number>} [values]
   */
  #say(text, values) {
    setText(this.#result, this.#session.locale.t(text, values));
  }

  /** Everything in another language. */
  show() {
    setText(this.#result, '');
    this.update();
  }

  /** Shows the list as it is now. */
  update() {
    const { locale } = this.#session;
    const { items, chosenCount: chosen, sendable, next, complete } = this.#list;
    this.#state.update(this.#newest.phase === 'loaded' && this.#more.phase === 'failed' ? this.#more : this.#newest, { empty: items.length === 0 });
    this.#rows.show(items.length);
    this.#all.checked = chosen > 0 && chosen === sendable;
    this.#all.indeterminate = chosen > 0 && chosen < sendable;
    this.#all.disabled = sendable === 0;
    this.#button.disabled = chosen === 0 || this.#busy;
    setText(this.#button, chosen > 0 ? locale.t(texts.resendCount, { count: chosen }) : locale.t(texts.resend));
    this.#newer.hidden = !this.#list.newer;
    this.#older.hidden = next === '' || this.#more.phase === 'loading';
    setText(this.#note, items.length === 0 ? '' : locale.t(complete ? texts.lettersAll : texts.lettersSome, { count: items.length }));
    this.#detail.update();
  }
}

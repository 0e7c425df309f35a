// @ts-check
import { find, setText } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { HistoryError } from '../../model/history.js';
import { ManyDialog } from './many-dialog.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/choice.js').Choice<number>} Choice
 * @typedef {import('../../model/device-list.js').DeviceList} DeviceList
 * @typedef {import('../../model/device-list.js').DeviceQuery} DeviceQuery
 * @typedef {import('../../model/device-list.js').Registered} Registered
 * @typedef {import('../../app/session.js').Session} Session
 */

/** How many can be chosen at once, and how many of them one answer of the server holds. */
const most = 10_000;
const page = 1000;

/** How many devices are chosen, and what can be done with them. */
export class ChosenBar {
  #session;
  #choice;
  #list;
  #query;
  #signal;
  #bar;
  #all;
  #dialog;
  /** Counts the decisions of the reader: what is being chosen by an earlier one is dropped. */
  #turn = 0;
  #choosing = false;
  /** Why not all are chosen. */
  #problem = '';

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {object} devices
   * @param {Choice} devices.choice
   * @param {DeviceList} devices.list
   * @param {() => DeviceQuery} devices.query
   * @param {(id: string, entry: Registered) => void} devices.onSaved
   * @param {AbortSignal} signal
   */
  constructor(root, session, { choice, list, query, onSaved }, signal) {
    this.#session = session;
    this.#choice = choice;
    this.#list = list;
    this.#query = query;
    this.#signal = signal;
    this.#bar = find(root, '#chosen-bar', HTMLElement);
    this.#all = find(root, '#choose-all', HTMLInputElement);
    this.#dialog = new ManyDialog(find(root, '#many', HTMLDialogElement), session, onSaved, signal);
    this.#all.addEventListener('change', () => void this.#chooseAll(), { signal });
    find(this.#bar, '#choose-none', HTMLButtonElement).addEventListener('click', () => this.#choose([]), { signal });
    find(this.#bar, '#change-many', HTMLButtonElement).addEventListener('click', () => {
      this.#dialog.open(choice.entries.map(([id, version]) => ({ id, version })));
    }, { signal });
  }

  /** @param {[string, number][]} devices */
  #choose(devices) {
    this.#turn++;
    this.#choosing = false;
    this.#problem = '';
    this.#choice.replace(devices);
    if (devices.length === 0) this.#all.focus(); // The button is gone.
  }

  async #chooseAll() {
    const { locale } = this.#session;
    const turn = ++this.#turn;
    this.#problem = '';
    if (!this.#all.checked || this.#choosing) {
      this.#choose([]);
      return;
    }
    if (this.#list.total > most) {
      this.#fail(locale.t(texts.chooseTooMany, { count: most }));
      return;
    }
    const query = this.#query();
    this.#choosing = true;
    this.show();
    /** @type {Map<string, number>} */
    const chosen = new Map();
    try {
      for (let offset = 0, total = 1; offset < Math.min(total, most); offset += page) {
        // In the order of ids, which no reading changes between two answers.
        const answer = await this.#session.history.devices({ ...query, sort: 'id', order: 'asc' }, { offset, limit: page }, this.#signal);
        if (turn !== this.#turn) return;
        if (query !== this.#query()) break; // What cannot be seen any more is not chosen.
        for (const { device_id: id, registered } of answer.items) chosen.set(id, registered?.version ?? 0);
        total = answer.total;
      }
      this.#choose(query === this.#query() ? [...chosen] : []);
    } catch (error) {
      if (this.#signal.aborted || turn !== this.#turn) return;
      this.#fail(locale.t(texts.chooseFailed, { reason: error instanceof HistoryError ? error.message : locale.t(terms.disconnected) }));
    }
  }

  /** @param {string} problem */
  #fail(problem) {
    this.#choosing = false;
    this.#problem = problem;
    this.show();
  }

  /** Also in another language. */
  show() {
    const { size } = this.#choice;
    const { total } = this.#list;
    const { locale } = this.#session;
    const choosing = this.#choosing;
    this.#bar.hidden = size === 0 && this.#problem === '' && !choosing;
    setText(find(this.#bar, '#chosen-count', HTMLElement), this.#problem || locale.t(choosing ? texts.choosing : texts.chosenCount, { count: size }));
    for (const button of this.#bar.querySelectorAll('button')) button.hidden = size === 0;
    this.#all.checked = size > 0 && size >= total;
    this.#all.indeterminate = choosing || (size > 0 && size < total);
    this.#all.disabled = total === 0;
    this.#dialog.show();
  }
}

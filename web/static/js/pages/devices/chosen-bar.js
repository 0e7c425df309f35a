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

/** How many can be chosen at once: as many as one answer of the server holds. */
const most = 1000;

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
    this.#problem = '';
    this.#choice.replace(devices);
    if (devices.length === 0) this.#all.focus(); // The button is gone.
  }

  async #chooseAll() {
    const { locale } = this.#session;
    this.#problem = '';
    if (!this.#all.checked) {
      this.#choose([]);
      return;
    }
    if (this.#list.total > most) {
      this.#fail(locale.t(texts.chooseTooMany, { count: most }));
      return;
    }
    const query = this.#query();
    try {
      const { items } = await this.#session.history.devices(query, { offset: 0, limit: most }, this.#signal);
      if (query === this.#query()) this.#choose(items.map(({ device_id: id, registered }) => [id, registered?.version ?? 0]));
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#fail(locale.t(texts.chooseFailed, { reason: error instanceof HistoryError ? error.message : locale.t(terms.disconnected) }));
    }
  }

  /** @param {string} problem */
  #fail(problem) {
    this.#problem = problem;
    this.show();
  }

  /** Also in another language. */
  show() {
    const { size } = this.#choice;
    const { total } = this.#list;
    this.#bar.hidden = size === 0 && this.#problem === '';
    setText(find(this.#bar, '#chosen-count', HTMLElement), this.#problem || this.#session.locale.t(texts.chosenCount, { count: size }));
    for (const button of this.#bar.querySelectorAll('button')) button.hidden = size === 0;
    this.#all.checked = size > 0 && size >= total;
    this.#all.indeterminate = size > 0 && size < total;
    this.#all.disabled = total === 0;
    this.#dialog.show();
  }
}

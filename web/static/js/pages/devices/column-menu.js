// @ts-check
import { find, textElement } from '../../components/dom.js';
import { closing } from '../../components/menu.js';
import { terms } from '../../locale/terms.js';
import { texts } from './texts.js';

/** @typedef {import('../../app/session.js').Session} Session */

/** The columns that can be chosen, in their order; the id is always there. */
const columns = {
  name: terms.name,
  type: terms.deviceType,
  value: terms.value,
  status: terms.status,
  area: terms.area,
  seen: terms.lastReading,
  labels: terms.labels,
  limits: terms.ownLimits,
  interval: texts.columnInterval,
  alerts: terms.alerts,
};

/** Those that are shown until the reader chooses. */
const usual = 'name type value status area seen alerts';

/** Lets the reader choose which columns of the list are shown. The choice is kept. */
export class ColumnMenu {
  #menu;
  #table;
  #session;

  /**
   * @param {HTMLDetailsElement} menu
   * @param {HTMLTableElement} table
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(menu, table, session, signal) {
    this.#menu = menu;
    this.#table = table;
    this.#session = session;
    const { preferences } = session;
    menu.addEventListener('change', () => {
      const chosen = [...menu.querySelectorAll('input')].filter(({ checked }) => checked).map(({ value }) => value);
      // None at all would be taken for no choice.
      preferences.deviceColumns = ['id', ...chosen].join(' ');
      this.#apply();
    }, { signal });
    closing(menu, signal);
  }

  get #chosen() {
    return (this.#session.preferences.deviceColumns || usual).split(' ');
  }

  #apply() {
    this.#table.dataset['columns'] = this.#chosen.join(' ');
  }

  /** Also in another language. */
  show() {
    const { locale } = this.#session;
    const chosen = this.#chosen;
    const body = find(this.#menu, 'fieldset', HTMLElement);
    this.#apply();
    if (body.lang === locale.tag) return; // It may be open.
    body.lang = locale.tag;
    for (const label of body.querySelectorAll('label')) label.remove();
    for (const [name, text] of Object.entries(columns)) {
      const label = document.createElement('label');
      const input = document.createElement('input');
      input.type = 'checkbox';
      input.value = name;
      input.checked = chosen.includes(name);
      label.append(input, textElement('span', locale.t(text)));
      body.append(label);
    }
  }
}

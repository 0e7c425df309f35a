// @ts-check
import { repeat } from '../../vendor/lit-html/directives/repeat.js';
import { html, nothing, render } from '../../vendor/lit-html/lit-html.js';
import { terms } from '../locale/terms.js';
import { find } from './dom.js';
import { texts } from './texts.js';

/**
 * @typedef {import('./chart-values.js').ChartValues} ChartValues
 * @typedef {import('./chart-values.js').ValueRow} ValueRow
 * @typedef {import('../locale/locale.js').Locale} Locale
 * @typedef {import('../app/session.js').Session} Session
 */

/** A longer table is cut to its newest rows. */
const mostRows = 1000;

/** Shows the values of a chart as a table in its place, if the address says so. */
export class ChartTable {
  #frame;
  #place;
  #toggle;
  #session;
  #name;
  #values;
  /** Whether there is anything in the table's place. */
  #filled = false;

  /**
   * @param {HTMLElement} section Where the chart's frame is, with the table's place, and the button that shows it.
   * @param {Session} session
   * @param {object} chart
   * @param {string} chart.name That of the choice in the address.
   * @param {() => ChartValues | null} chart.values Null while there are none.
   * @param {AbortSignal} signal
   */
  constructor(section, session, { name, values }, signal) {
    this.#frame = find(section, '.chart-frame', HTMLElement);
    this.#place = find(this.#frame, '.chart-table', HTMLElement);
    this.#toggle = find(section, '.as-table', HTMLButtonElement);
    this.#session = session;
    this.#name = name;
    this.#values = values;
    this.#toggle.addEventListener('click', () => session.address.replace({ [name]: this.#shown ? '' : 'table' }), { signal });
    session.address.subscribe(() => this.update(), { signal });
  }

  get #shown() {
    return this.#session.address.get(this.#name) === 'table';
  }

  /** Shows the values as they are now. */
  update() {
    const shown = this.#shown;
    this.#toggle.setAttribute('aria-pressed', String(shown));
    this.#frame.classList.toggle('tabular', shown);
    this.#place.hidden = !shown;
    if (!shown && !this.#filled) return;
    this.#filled = shown;
    const values = shown ? this.#values() : null;
    render(values?.rows.some(({ cells }) => cells) ? table(values, this.#session.locale) : nothing, this.#place);
  }
}

/**
 * Newest first. A row keeps its element, so that a reader keeps the place in the table.
 *
 * @param {ChartValues} values
 * @param {Locale} locale
 */
function table({ caption, columns, rows }, locale) {
  const newest = rows.slice(-mostRows).reverse();
  return html`<table class="values">
    <caption>${caption}</caption>
    <thead><tr><th scope="col">${locale.t(terms.time)}</th>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${repeat(newest, ({ at }) => at, (row) => line(row, columns.length, locale))}</tbody>
  </table>`;
}

/**
 * @param {ValueRow} row
 * @param {number} columns
 * @param {Locale} locale
 */
function line({ head, cells }, columns, locale) {
  if (!cells) return html`<tr class="gap"><th scope="row">${head}</th><td colspan=${columns}>${locale.t(texts.gap)}</td></tr>`;
  return html`<tr><th scope="row">${head}</th>${cells.map((value) => html`<td>${value}</td>`)}</tr>`;
}

// @ts-check
import { AlertList } from './alert-list.js';
import { find, setText } from './dom.js';
import { Segmented } from './segmented.js';

/**
 * @typedef {import('../model/alerts.js').AlertStore} AlertStore
 * @typedef {import('../model/alerts.js').AlertFilter} AlertFilter
 * @typedef {import('../model/protocol.js').Severity} Severity
 * @typedef {import('./surroundings.js').Surroundings} Surroundings
 */

/** How many alerts are listed. */
const listed = 100;

/** The alerts, newest first, with how many of each severity are open. */
export class AlertPanel {
  #panel;
  #alerts;
  #surroundings;
  #list;
  #empty;
  /** @type {AlertFilter} */
  #filter = { openOnly: false, severity: '' };

  /**
   * @param {HTMLElement} panel
   * @param {Surroundings} surroundings
   * @param {AlertStore} alerts
   */
  constructor(panel, surroundings, alerts) {
    this.#panel = panel;
    this.#surroundings = surroundings;
    this.#alerts = alerts;
    this.#empty = find(panel, '.empty', HTMLElement);
    this.#list = new AlertList(find(panel, '#alert-container', HTMLElement), this.#empty, surroundings);
    new Segmented(find(panel, '#alert-scope', HTMLElement), (scope) => this.#narrow({ openOnly: scope === 'open' }));
    for (const counter of this.#counters()) {
      const severity = /** @type {Severity} */ (counter.dataset['severity']);
      counter.addEventListener('click', () => this.#narrow({ severity: this.#filter.severity === severity ? '' : severity }));
    }
  }

  /** @returns {NodeListOf<HTMLButtonElement>} */
  #counters() {
    return this.#panel.querySelectorAll('#severity-counters button');
  }

  /** @param {Partial<AlertFilter>} change */
  #narrow(change) {
    this.#filter = { ...this.#filter, ...change };
    this.update();
  }

  /** Shows the alerts as they are now; their ages change by the second. */
  update() {
    const { locale } = this.#surroundings;
    const counts = this.#alerts.counts();
    for (const counter of this.#counters()) {
      const severity = /** @type {Severity} */ (counter.dataset['severity']);
      counter.dataset['count'] = String(counts[severity]);
      counter.setAttribute('aria-pressed', String(severity === this.#filter.severity));
      setText(find(counter, 'strong', HTMLElement), locale.number(counts[severity]));
    }
    setText(this.#empty, locale.t(this.#surroundings.specs.size > 0 ? 'noAlertsListed' : 'loading'));
    this.#list.show(this.#alerts.list(this.#filter, listed));
  }

  /** Everything in another language. */
  show() {
    this.#list.forget();
    this.update();
  }
}

// @ts-check
import { AlertItem } from '../../components/alert-item.js';
import { find, setText } from '../../components/dom.js';
import { Segmented } from '../../components/segmented.js';
import { VirtualRows } from '../../components/virtual-rows.js';

/**
 * @typedef {import('../../model/alerts.js').AlertStore} AlertStore
 * @typedef {import('../../model/alerts.js').AlertFilter} AlertFilter
 * @typedef {import('../../model/protocol.js').Severity} Severity
 * @typedef {import('../../app/surroundings.js').Surroundings} Surroundings
 */

/** So many alerts are printed on paper. */
const printedAlerts = 100;

/** The alerts, the most urgent of the open ones first, with how many of each severity are open. */
export class AlertPanel {
  #panel;
  #alerts;
  #surroundings;
  /** @type {VirtualRows<AlertItem>} */
  #rows;
  #frame;
  #scope;
  #empty;
  #note;
  /** What is listed, and what it was made of. @type {import('../../model/protocol.js').Alert[]} */
  #listed = [];
  #made = '';
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
    this.#note = find(panel, '#alert-note', HTMLElement);
    this.#frame = find(panel, '.alert-frame', HTMLElement);
    this.#rows = new VirtualRows({
      frame: this.#frame,
      list: find(panel, '#alert-container', HTMLElement),
      spacer: () => {
        const spacer = document.createElement('li');
        spacer.setAttribute('aria-hidden', 'true');
        return spacer;
      },
      make: () => new AlertItem(),
      write: (item, i) => this.#write(item, i),
    });
    addEventListener('beforeprint', () => this.#rows.print(printedAlerts));
    addEventListener('afterprint', () => this.#rows.print(0));
    this.#scope = new Segmented(find(panel, '#alert-scope', HTMLElement), (scope) => this.#narrow({ openOnly: scope === 'open' }));
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
    this.#frame.scrollTop = 0;
    this.update();
  }

  /**
   * Lists the open alerts of a severity and takes the reader there.
   *
   * @param {Severity | ''} severity
   */
  lead(severity) {
    this.#scope.value = 'open';
    this.#narrow({ openOnly: true, severity });
    this.#panel.scrollIntoView({ block: 'nearest' });
    this.#frame.focus();
  }

  /**
   * @param {AlertItem} item
   * @param {number} index
   */
  #write(item, index) {
    const alert = this.#listed[index];
    if (!alert) return;
    item.show(alert, this.#surroundings);
    item.element.ariaSetSize = String(this.#listed.length);
    item.element.ariaPosInSet = String(index + 1);
  }

  /** Makes the list anew if there is anything new: sorting thousands costs more than showing them. */
  #list() {
    const made = `${this.#alerts.version} ${JSON.stringify(this.#filter)}`;
    if (made === this.#made) return;
    this.#made = made;
    this.#listed = this.#alerts.list(this.#filter);
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
    this.#list();
    const open = this.#listed.findLastIndex(({ state }) => state !== 'cleared') + 1;
    this.#empty.hidden = this.#listed.length > 0;
    this.#note.hidden = this.#alerts.openCount === 0;
    setText(this.#note, locale.t('alertNote', { count: locale.number(open), total: locale.number(this.#alerts.openCount) }));
    this.#rows.show(this.#listed.length);
  }

  /** Everything in another language. */
  show() {
    for (const item of this.#rows.rows) item.forget();
    this.update();
  }
}

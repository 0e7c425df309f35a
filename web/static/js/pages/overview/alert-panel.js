// @ts-check
import { AlertItem } from '../../components/alert-item.js';
import { find, setText } from '../../components/dom.js';
import { LoadState } from '../../components/load-state.js';
import { Segmented } from '../../components/segmented.js';
import { VirtualRows } from '../../components/virtual-rows.js';
import { terms } from '../../locale/terms.js';
import { severities } from '../../model/protocol.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/alerts.js').AlertFilter} AlertFilter
 * @typedef {import('../../model/protocol.js').Severity} Severity
 * @typedef {import('../../app/session.js').Session} Session
 */

/** The number of alerts that are printed on paper. */
const printedAlerts = 100;

/** The alerts, the most urgent of the open ones first, with how many of each severity are open. */
export class AlertPanel {
  #panel;
  #session;
  /** @type {VirtualRows<AlertItem>} */
  #rows;
  #frame;
  #scope;
  #empty;
  #note;
  /** What is listed, and what it was made of. @type {import('../../model/protocol.js').Alert[]} */
  #listed = [];
  #made = '';
  #state;

  /**
   * @param {HTMLElement} panel
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(panel, session, signal) {
    this.#panel = panel;
    this.#session = session;
    this.#empty = find(panel, '.empty', HTMLElement);
    this.#note = find(panel, '#alert-note', HTMLElement);
    this.#frame = find(panel, '.alert-frame', HTMLElement);
    this.#rows = new VirtualRows({
      frame: this.#frame,
      list: find(panel, '#alert-container', HTMLElement),
      make: () => new AlertItem(),
      write: (item, i) => this.#write(item, i),
      keyOf: (i) => this.#listed[i]?.id,
      printed: printedAlerts,
      signal,
    });
    const retry = () => session.pastAlerts.load();
    this.#state = new LoadState(find(panel, '#alert-state', HTMLElement), session, { empty: texts.noAlertsListed, onRetry: retry }, signal);
    this.#scope = new Segmented(find(panel, '#alert-scope', HTMLElement), (scope) => session.address.replace({ alerts: scope === 'open' ? scope : '' }), signal);
    for (const counter of this.#counters()) {
      const severity = /** @type {Severity} */ (counter.dataset['severity']);
      const narrow = () => session.address.replace({ severity: this.#filter.severity === severity ? '' : severity });
      counter.addEventListener('click', narrow, { signal });
    }
    session.address.subscribe(() => {
      if (`${session.alerts.version} ${JSON.stringify(this.#filter)}` === this.#made) return;
      this.#frame.scrollTop = 0;
      this.update();
    }, { signal });
  }

  /** @returns {NodeListOf<HTMLButtonElement>} */
  #counters() {
    return this.#panel.querySelectorAll('#severity-counters button');
  }

  /** What the address narrows the list to. @returns {AlertFilter} */
  get #filter() {
    const { address } = this.#session;
    const severity = severities.find((known) => known === address.get('severity')) ?? '';
    return { openOnly: address.get('alerts') === 'open', severity };
  }

  /**
   * Lists the open alerts of a severity and moves the reader there.
   *
   * @param {Severity | ''} severity
   */
  lead(severity) {
    this.#session.address.replace({ alerts: 'open', severity });
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
    item.show(alert, this.#session);
    item.element.ariaSetSize = String(this.#listed.length);
    item.element.ariaPosInSet = String(index + 1);
  }

  /** Makes the list anew if there is anything new: sorting thousands costs more than showing them. */
  #list() {
    const { alerts } = this.#session;
    const filter = this.#filter;
    const made = `${alerts.version} ${JSON.stringify(filter)}`;
    if (made === this.#made) return;
    this.#made = made;
    this.#listed = alerts.list(filter);
  }

  /** Shows the alerts as they are now; their ages change by the second. */
  update() {
    const { locale, alerts, pastAlerts } = this.#session;
    const { openOnly, severity: chosen } = this.#filter;
    this.#scope.value = openOnly ? 'open' : 'all';
    const counts = alerts.counts();
    for (const counter of this.#counters()) {
      const severity = /** @type {Severity} */ (counter.dataset['severity']);
      counter.dataset['count'] = String(counts[severity]);
      counter.setAttribute('aria-pressed', String(severity === chosen));
      setText(find(counter, 'strong', HTMLElement), locale.number(counts[severity]));
    }
    setText(this.#empty, locale.t(this.#session.plant.known ? texts.noAlertsListed : terms.loading));
    this.#list();
    const open = this.#listed.findLastIndex(({ state }) => state !== 'cleared') + 1;
    this.#empty.hidden = this.#listed.length > 0;
    this.#note.hidden = alerts.openCount === 0;
    setText(this.#note, locale.t(texts.alertNote, { count: open, total: alerts.openCount }));
    // The past is loaded once; open alerts come with the live messages.
    this.#state.update(pastAlerts, { empty: false });
    this.#rows.show(this.#listed.length);
  }

  /** Everything in another language. */
  show() {
    for (const item of this.#rows.rows) item.forget();
    this.update();
  }
}

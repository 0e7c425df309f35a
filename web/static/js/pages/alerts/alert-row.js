// @ts-check
import { texts as handlingTexts } from '../../components/alert/texts.js';
import { handlingWords, stateWords, whyWords } from '../../components/alert/words.js';
import { find, instantiate, setIcon, setLongText, setText } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { areaOf, lifeOf, unacknowledged } from '../../model/alert-life.js';
import { alertPath, devicePath } from '../../model/device-link.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Alert} Alert
 * @typedef {import('../../model/alert-query.js').AlertGroup} AlertGroup
 * @typedef {import('../../app/session.js').Session} Session
 *
 * @typedef {object} RowState
 * @property {boolean} chosen
 * @property {boolean} partly Whether some alerts of a group are chosen, but not all.
 * @property {boolean} fresh Whether it has just been raised.
 * @property {boolean} sent Whether its acknowledgement is on its way.
 */

/** One alert in the list, or a group of them. Rows are used again for other ones. */
export class AlertRow {
  element;
  #cells;
  /** What is shown. @type {unknown[]} */
  #shown = [];

  /**
   * @param {ParentNode} root Where the row's template is.
   */
  constructor(root) {
    this.element = instantiate(root, 'alert-row', HTMLTableRowElement);
    const at = (/** @type {string} */ selector) => find(this.element, selector, HTMLElement);
    this.#cells = {
      choose: find(this.element, 'input', HTMLInputElement),
      icon: find(this.element, '.col-severity svg', SVGElement),
      severity: at('.col-severity span'),
      link: find(this.element, '.col-alert a', HTMLAnchorElement),
      why: at('.why'),
      narrow: at('.narrow'),
      device: find(this.element, '.col-alert-device a', HTMLAnchorElement),
      area: at('.col-alert-area'),
      state: at('.col-alert-state'),
      value: at('.col-value'),
      since: at('.col-since'),
      acknowledge: find(this.element, 'button', HTMLButtonElement),
    };
  }

  /**
   * @param {Alert} alert
   * @param {RowState} state
   * @param {Session} session
   */
  show(alert, { chosen, fresh, sent }, session) {
    this.#set('fresh', String(fresh));
    this.#choose(chosen, false);
    if (this.#unchanged([alert, sent, session.appearance.version, session.plant.version])) return;
    const { clock, locale } = session;
    const cells = this.#cells;
    const words = session.alertWords(alert);
    const device = visible(alert.device_id);
    const state = stateWords(alert, clock.now(), locale);
    this.#mark(alert.severity, alert.suppressed ? 'suppressed' : lifeOf(alert), locale.t(terms[alert.severity]));
    cells.choose.setAttribute('aria-label', locale.t(terms.chooseOne, { id: `${words}, ${device}` }));
    setLongText(cells.link, words);
    cells.link.href = session.href(alertPath(alert.id));
    const why = whyWords(alert, locale);
    setLongText(cells.why, why);
    setLongText(cells.device, device);
    cells.device.href = session.href(devicePath(alert.device_id));
    cells.device.hidden = false;
    setLongText(cells.area, visible(areaOf(alert)));
    setText(cells.state, state);
    cells.state.title = handlingWords(alert, clock.now(), locale) || state;
    setLongText(cells.value, session.alertValue(alert));
    this.#showTime(alert, session);
    setText(cells.narrow, [device, state, why].filter(Boolean).join(' · '));
    this.#showButton(unacknowledged(alert) && !alert.historical, sent, locale.t(texts.acknowledgeOne, { words: `${words}, ${device}` }), session);
  }

  /**
   * @param {Alert} alert
   * @param {Session} session
   */
  #showTime({ onset, cleared_at: cleared }, { clock, locale }) {
    const { since } = this.#cells;
    const from = locale.timeOrDate(Date.parse(onset), clock.now());
    setText(since, from);
    since.title = cleared ? locale.t(texts.raisedCleared, { from: locale.dateTime(Date.parse(onset)), to: locale.dateTime(Date.parse(cleared)) }) : locale.dateTime(Date.parse(onset));
  }

  /**
   * @param {boolean} offered
   * @param {boolean} sent
   * @param {string} label
   * @param {Session} session
   */
  #showButton(offered, sent, label, { locale }) {
    const { acknowledge } = this.#cells;
    acknowledge.hidden = !offered;
    acknowledge.disabled = sent;
    setText(acknowledge, locale.t(sent ? texts.acknowledging : handlingTexts.acknowledge));
    acknowledge.setAttribute('aria-label', label);
  }

  /**
   * @param {AlertGroup} group
   * @param {RowState} state
   * @param {Session} session
   */
  showGroup(group, { chosen, partly }, session) {
    this.#set('fresh', 'false');
    this.#choose(chosen, partly);
    if (this.#unchanged([group, session.appearance.version])) return;
    const { clock, locale } = session;
    const cells = this.#cells;
    const { alerts, devices, rule, area } = group;
    const count = alerts.length;
    const of = locale.t(texts.groupAlerts, { count, devices: locale.t(texts.groupDevices, { count: devices }) });
    const quiet = alerts.every(({ suppressed }) => suppressed) ? texts.stateSuppressed : texts.stateAcknowledged;
    const state = group.unacknowledged > 0 ? locale.t(texts.groupUnacknowledged, { count: group.unacknowledged }) : locale.t(quiet);
    const name = [rule, area].filter((part) => part !== undefined).map((part) => visible(part) || locale.t(texts.noArea)).join(' · ');
    this.#mark(group.worst, group.unacknowledged > 0 ? 'unacknowledged' : 'acknowledged', locale.t(terms[group.worst]));
    cells.choose.setAttribute('aria-label', locale.t(texts.chooseGroup, { count }));
    setLongText(cells.link, name);
    setText(cells.why, '');
    // Such a link changes only what it names.
    cells.link.href = `?${new URLSearchParams({ group: '', ...(rule !== undefined && { rule }), ...(area && { area }) })}`;
    setText(cells.device, '');
    cells.device.removeAttribute('href');
    cells.device.hidden = true;
    setLongText(cells.area, of);
    setText(cells.state, state);
    cells.state.title = state;
    setLongText(cells.value, '');
    const newest = Math.max(...alerts.slice(0, 1000).map(({ onset }) => Date.parse(onset)));
    setText(cells.since, locale.timeOrDate(newest, clock.now()));
    cells.since.title = '';
    setText(cells.narrow, [of, state].join(' · '));
    this.#showButton(false, false, '', session);
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  #set(name, value) {
    const { dataset } = this.element;
    if (dataset[name] !== value) dataset[name] = value;
  }

  /** Whether it shows these already. @param {unknown[]} what */
  #unchanged(what) {
    if (what.length === this.#shown.length && what.every((one, i) => one === this.#shown[i])) return true;
    this.#shown = what;
    return false;
  }

  /**
   * @param {boolean} chosen
   * @param {boolean} partly
   */
  #choose(chosen, partly) {
    const { choose } = this.#cells;
    if (choose.checked !== chosen) choose.checked = chosen;
    if (choose.indeterminate !== partly) choose.indeterminate = partly;
  }

  /**
   * @param {import('../../model/protocol.js').Severity} severity
   * @param {string} life
   * @param {string} words
   */
  #mark(severity, life, words) {
    this.#set('severity', severity);
    this.#set('life', life);
    setIcon(this.#cells.icon, severity, `severity-${severity}`);
    setText(this.#cells.severity, words);
  }
}

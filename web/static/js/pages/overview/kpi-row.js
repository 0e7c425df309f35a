// @ts-check
import { find, setText } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { severities } from '../../model/protocol.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').DeviceStatus} DeviceStatus
 * @typedef {import('../../model/protocol.js').Severity} Severity
 * @typedef {import('../../model/alerts.js').AlertStore} AlertStore
 * @typedef {import('../../app/session.js').Session} Session
 */

/** The five numbers that show the state of the plant at a glance. */
export class KpiRow {
  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {object} options
   * @param {(severity: Severity) => void} options.onAlerts Called to list the open alerts of a severity.
   * @param {() => void} options.onOffline Called to list the devices that are offline.
   * @param {AbortSignal} signal
   */
  constructor(element, session, { onAlerts, onOffline }, signal) {
    this.element = element;
    this.session = session;
    for (const severity of severities) this.#alertLead(severity).addEventListener('click', () => onAlerts(severity), { signal });
    this.#offlineLead().addEventListener('click', onOffline, { signal });
  }

  update() {
    const { status, alerts, latency } = this.session;
    this.#showStatus(status.latest);
    this.#showLatency(latency.quantiles());
    this.#showAlerts(status.latest ? alerts : null);
  }

  /** @param {DeviceStatus | null} status */
  #showStatus(status) {
    const { locale } = this.session;
    if (!status) {
      for (const name of ['devices', 'rate']) this.#set(name, locale.t(terms.unknown), '');
      setText(this.#value('online'), locale.t(terms.unknown));
      this.#showMissing(0, 0);
      return;
    }
    const { total_devices: total, online_devices: online, offline_devices: offline, readings_per_second: rate } = status;
    const types = Object.values(status.by_type).filter((counts) => counts.total_devices > 0).length;
    this.#set('devices', locale.number(total), locale.t(texts.types, { count: types }));
    setText(this.#value('online'), locale.number(online));
    this.#showMissing(total, offline);
    this.#set('rate', locale.number(rate, rate < 10 ? 1 : 0), locale.t(terms.perMinute, { count: Math.round(rate * 60) }));
  }

  /**
   * @param {number} total
   * @param {number} offline
   */
  #showMissing(total, offline) {
    const { locale } = this.session;
    showLead(this.#offlineLead(), offline, locale.t(texts.offlineCount, { count: offline }));
    setText(find(this.#value('online-detail'), ':scope > span', HTMLElement), total > 0 && offline === 0 ? locale.t(texts.allOnline) : '');
  }

  /** @param {{p50: number, p95: number} | null} quantiles */
  #showLatency(quantiles) {
    const { locale } = this.session;
    if (!quantiles) this.#set('latency', locale.t(terms.unknown), '');
    else this.#set('latency', locale.milliseconds(quantiles.p50), locale.t(terms.percentile95, { value: locale.milliseconds(quantiles.p95) }));
  }

  /** @param {AlertStore | null} alerts */
  #showAlerts(alerts) {
    const { locale } = this.session;
    const counts = alerts?.counts();
    find(this.element, '.kpi-alerts', HTMLElement).dataset['severity'] = alerts?.worst() ?? '';
    setText(this.#value('alerts'), alerts ? locale.number(alerts.openCount) : locale.t(terms.unknown));
    for (const severity of severities) {
      const count = counts?.[severity] ?? 0;
      showLead(this.#alertLead(severity), count, locale.t(texts.severityCount, { count, severity: locale.inline(terms[severity]) }));
    }
    find(this.#value('alerts-detail'), ':scope > span', HTMLElement).hidden = alerts?.openCount !== 0;
  }

  /** @param {Severity} severity */
  #alertLead(severity) {
    return find(this.#value('alerts-detail'), `[data-severity="${severity}"]`, HTMLButtonElement);
  }

  #offlineLead() {
    return find(this.#value('online-detail'), 'button', HTMLButtonElement);
  }

  /**
   * @param {string} name
   * @param {string} value
   * @param {string} detail
   */
  #set(name, value, detail) {
    setText(this.#value(name), value);
    setText(this.#value(`${name}-detail`), detail);
  }

  /** @param {string} name */
  #value(name) {
    return find(this.element, `[data-kpi="${name}"]`, HTMLElement);
  }
}

/**
 * Shows a button that leads to what it counts, unless there is nothing. The button stays the same, so the keyboard stays on it.
 *
 * @param {HTMLButtonElement} button
 * @param {number} count
 * @param {string} words
 */
function showLead(button, count, words) {
  button.hidden = count === 0;
  setText(find(button, 'span', HTMLElement), words);
}

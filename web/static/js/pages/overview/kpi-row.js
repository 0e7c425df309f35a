// @ts-check
import { find, icon, setText, textElement } from '../../components/dom.js';
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
  #shownAlerts = '';

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {(severity: Severity) => void} onAlerts Called to list the open alerts of a severity.
   * @param {AbortSignal} signal
   */
  constructor(element, session, onAlerts, signal) {
    this.element = element;
    this.session = session;
    this.#value('alerts-detail').addEventListener('click', (event) => {
      const button = event.target instanceof Element ? event.target.closest('button') : null;
      if (button) onAlerts(/** @type {Severity} */ (button.dataset['severity']));
    }, { signal });
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
      for (const name of ['devices', 'online', 'rate']) this.#set(name, locale.t(terms.unknown), '');
      return;
    }
    const { total_devices: total, online_devices: online, offline_devices: offline, readings_per_second: rate } = status;
    const types = Object.values(status.by_type).filter((counts) => counts.total_devices > 0).length;
    this.#set('devices', locale.number(total), locale.t(texts.types, { count: types }));
    setText(this.#value('online'), locale.number(online));
    this.#showMissing(total, offline);
    this.#set('rate', locale.number(rate, rate < 10 ? 1 : 0), locale.t(texts.perMinute, { count: Math.round(rate * 60) }));
  }

  /**
   * @param {number} total
   * @param {number} offline
   */
  #showMissing(total, offline) {
    const { locale } = this.session;
    const all = total > 0 ? locale.t(texts.allOnline) : '';
    const words = offline > 0 ? locale.t(texts.offlineCount, { count: offline }) : all;
    const detail = this.#value('online-detail');
    if (detail.textContent === words) return;
    detail.replaceChildren(...(offline > 0 ? [icon('offline', 'status-offline')] : []), textElement('span', words));
  }

  /** @param {{p50: number, p95: number} | null} quantiles */
  #showLatency(quantiles) {
    const { locale } = this.session;
    if (!quantiles) this.#set('latency', locale.t(terms.unknown), '');
    else this.#set('latency', locale.milliseconds(quantiles.p50), locale.t(texts.p95, { value: locale.milliseconds(quantiles.p95) }));
  }

  /** @param {AlertStore | null} alerts */
  #showAlerts(alerts) {
    const { locale } = this.session;
    const panel = find(this.element, '.kpi-alerts', HTMLElement);
    const counts = alerts?.counts();
    const key = `${locale.language} ${JSON.stringify(counts ?? null)}`;
    if (key === this.#shownAlerts) return;
    this.#shownAlerts = key;
    panel.dataset['severity'] = alerts?.worst() ?? '';
    setText(this.#value('alerts'), alerts ? locale.number(alerts.openCount) : locale.t(terms.unknown));
    const open = severities.filter((severity) => counts && counts[severity] > 0);
    this.#value('alerts-detail').replaceChildren(
      ...open.map((severity) => {
        const words = locale.t(texts.severityCount, { count: counts?.[severity] ?? 0, severity: locale.inline(terms[severity]) });
        return leading(severity, words, locale.t(texts.kpiLead));
      }),
    );
    if (counts && open.length === 0) this.#value('alerts-detail').append(textElement('span', locale.t(texts.noAlerts)));
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
 * Returns a button that leads to the alerts of a severity.
 *
 * @param {Severity} severity
 * @param {string} words
 * @param {string} title
 */
function leading(severity, words, title) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'link';
  button.dataset['severity'] = severity;
  button.title = title;
  button.append(icon(severity, `severity-${severity}`), words);
  return button;
}

// @ts-check
import { find, icon, instantiate, setLongText, setText, textElement } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { addressedFilter, inAddress, toggled } from './filter.js';
import { StatusPieChart } from './status-pie-chart.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').DeviceStatus} DeviceStatus
 * @typedef {import('../../model/devices.js').DeviceFilter} DeviceFilter
 * @typedef {import('../../app/session.js').Session} Session
 */

/** How many devices are online and offline, in all and by type. Every part of it filters the stream of readings. */
export class StatusPanel {
  #root;
  #chart;
  #panel;
  #session;
  /** @type {Map<string, HTMLTableRowElement>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    const { address } = session;
    /** @param {Partial<DeviceFilter>} change */
    const onFilter = (change) => address.replace(inAddress(toggled(addressedFilter(address), change)));
    const panel = find(root, '.panel-status', HTMLElement);
    this.#root = root;
    this.#panel = panel;
    this.#session = session;
    const ring = find(panel, '#status-chart', HTMLElement);
    this.#chart = new StatusPieChart(ring, session, (status) => onFilter({ status }), signal);
    for (const key of this.#keys()) {
      key.addEventListener('click', () => onFilter({ status: /** @type {DeviceFilter['status']} */ (key.dataset['status']) }), { signal });
    }
    find(panel, '#by-type', HTMLElement).addEventListener('click', (event) => {
      const type = event.target instanceof HTMLButtonElement ? event.target.dataset['type'] : undefined;
      if (type) onFilter({ type });
    }, { signal });
    address.subscribe(() => this.mark(), { signal });
  }

  /** @returns {NodeListOf<HTMLButtonElement>} */
  #keys() {
    return this.#panel.querySelectorAll('button.status-key');
  }

  /** In another language or theme. */
  show() {
    this.#chart.show();
  }

  /** Marks what the address narrows the stream to. */
  mark() {
    const filter = addressedFilter(this.#session.address);
    for (const key of this.#keys()) key.setAttribute('aria-pressed', String(key.dataset['status'] === filter.status));
    for (const [type, row] of this.#rows) {
      find(row, 'button', HTMLElement).setAttribute('aria-pressed', String(type === filter.type));
    }
  }

  update() {
    const { locale } = this.#session;
    const status = this.#session.status.latest;
    const { online_devices: online = 0, offline_devices: offline = 0, total_devices: total = 0 } = status ?? {};
    const share = total > 0 ? `${locale.number((100 * online) / total, online === total ? 0 : 1)}%` : locale.t(terms.unknown);
    this.#chart.updateStatus({ online, offline });
    setText(find(this.#panel, '.donut-center strong', HTMLElement), share);
    for (const key of this.#keys()) {
      const count = key.dataset['status'] === 'online' ? online : offline;
      setText(find(key, 'strong', HTMLElement), locale.number(count));
    }
    find(this.#panel, '#status-chart', HTMLElement).setAttribute('aria-label', locale.t(texts.statusLabel, { count: online, offline }));
    this.#updateTypes(status?.by_type ?? {});
    this.mark();
  }

  /** @param {DeviceStatus['by_type']} byType */
  #updateTypes(byType) {
    const { locale, plant: { specs } } = this.#session;
    for (const type of specs.keys()) {
      const { total_devices: total = 0, online_devices: online = 0, offline_devices: offline = 0 } = byType[type] ?? {};
      const row = this.#row(type);
      row.hidden = total === 0;
      setLongText(find(row, 'button', HTMLElement), this.#session.typeName(type));
      setText(find(row, '.by-type-online', HTMLElement), `${locale.number(online)} / ${locale.number(total)}`);
      const cell = find(row, '.by-type-offline', HTMLElement);
      const words = offline > 0 ? locale.number(offline) : '';
      if (cell.textContent !== words) {
        cell.replaceChildren(...(words ? [icon('offline', 'status-offline'), textElement('span', words)] : []));
      }
    }
  }

  /** @param {string} type */
  #row(type) {
    let row = this.#rows.get(type);
    if (!row) {
      row = instantiate(this.#root, 'by-type-row', HTMLTableRowElement);
      find(row, 'button', HTMLElement).dataset['type'] = type;
      this.#rows.set(type, row);
      find(this.#panel, '#by-type tbody', HTMLElement).append(row);
    }
    return row;
  }
}

// @ts-check
import { find, icon, instantiate, setLongText, setText, textElement } from '../../components/dom.js';
import { StatusPieChart } from './status-pie-chart.js';

/**
 * @typedef {import('../../model/protocol.js').DeviceStatus} DeviceStatus
 * @typedef {import('../../model/devices.js').DeviceFilter} DeviceFilter
 * @typedef {import('../../components/palette.js').Palette} Palette
 * @typedef {import('../../app/surroundings.js').Surroundings} Surroundings
 */

/** How many devices are online and offline, in all and by type. Every part of it filters the stream of readings. */
export class StatusPanel {
  #chart;
  #panel;
  #surroundings;
  /** @type {Map<string, HTMLTableRowElement>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} panel
   * @param {Surroundings} surroundings
   * @param {Palette} palette
   * @param {(change: Partial<DeviceFilter>) => void} onFilter
   */
  constructor(panel, surroundings, palette, onFilter) {
    this.#panel = panel;
    this.#surroundings = surroundings;
    const ring = find(panel, '#status-chart', HTMLElement);
    this.#chart = new StatusPieChart(ring, surroundings, palette, (status) => onFilter({ status }));
    for (const key of this.#keys()) {
      key.addEventListener('click', () => onFilter({ status: /** @type {DeviceFilter['status']} */ (key.dataset['status']) }));
    }
    find(panel, '#by-type', HTMLElement).addEventListener('click', (event) => {
      const type = event.target instanceof HTMLButtonElement ? event.target.dataset['type'] : undefined;
      if (type) onFilter({ type });
    });
  }

  /** @returns {NodeListOf<HTMLButtonElement>} */
  #keys() {
    return this.#panel.querySelectorAll('button.status-key');
  }

  /** @param {Palette} palette */
  show(palette) {
    this.#chart.show(palette);
  }

  /**
   * Marks what the stream is filtered by.
   *
   * @param {DeviceFilter} filter
   */
  mark(filter) {
    for (const key of this.#keys()) key.setAttribute('aria-pressed', String(key.dataset['status'] === filter.status));
    for (const [type, row] of this.#rows) {
      find(row, 'button', HTMLElement).setAttribute('aria-pressed', String(type === filter.type));
    }
  }

  /** @param {DeviceStatus | null} status */
  update(status) {
    const { locale } = this.#surroundings;
    const { online_devices: online = 0, offline_devices: offline = 0, total_devices: total = 0 } = status ?? {};
    const share = total > 0 ? `${locale.number((100 * online) / total, online === total ? 0 : 1)}%` : locale.t('unknown');
    this.#chart.updateStatus({ online, offline });
    setText(find(this.#panel, '.donut-center strong', HTMLElement), share);
    for (const key of this.#keys()) {
      const count = key.dataset['status'] === 'online' ? online : offline;
      setText(find(key, 'strong', HTMLElement), locale.number(count));
    }
    find(this.#panel, '#status-chart', HTMLElement).setAttribute('aria-label', locale.t('statusLabel', { online, offline }));
    this.#updateTypes(status?.by_type ?? {});
  }

  /** @param {DeviceStatus['by_type']} byType */
  #updateTypes(byType) {
    const { locale, specs } = this.#surroundings;
    for (const type of specs.keys()) {
      const { total_devices: total = 0, online_devices: online = 0, offline_devices: offline = 0 } = byType[type] ?? {};
      const row = this.#row(type);
      row.hidden = total === 0;
      setLongText(find(row, 'button', HTMLElement), this.#surroundings.typeName(type));
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
      row = instantiate('by-type-row', HTMLTableRowElement);
      find(row, 'button', HTMLElement).dataset['type'] = type;
      this.#rows.set(type, row);
      find(this.#panel, '#by-type tbody', HTMLElement).append(row);
    }
    return row;
  }
}

// @ts-check
import { find, instantiate, setIcon, setLongText, setText } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { deviceAddress } from '../../model/device-link.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../../app/session.js').Session} Session
 */

/** One line of the stream. Lines are used again for other readings, which is far cheaper than making new ones. */
export class ReadingRow {
  element;
  /** @type {Device | null} */
  #device = null;
  #cells;

  /** @param {ParentNode} root Where the row's template is. */
  constructor(root) {
    this.element = instantiate(root, 'reading-row', HTMLTableRowElement);
    this.#cells = {
      time: this.#cell('.col-time'),
      link: find(this.element, 'a', HTMLAnchorElement),
      type: this.#cell('.col-type'),
      value: this.#cell('.col-value'),
      place: this.#cell('.col-place'),
      icon: find(this.element, '.col-status svg', SVGElement),
      status: this.#cell('.col-status span'),
      alerts: this.#cell('.col-alerts'),
    };
  }

  /** @param {string} selector */
  #cell(selector) {
    return find(this.element, selector, HTMLElement);
  }

  /**
   * @param {Device} device
   * @param {Session} session
   */
  show(device, session) {
    if (device === this.#device) return;
    this.#device = device;
    const { locale, plant: { specs } } = session;
    const cells = this.#cells;
    setText(cells.time, locale.time(Date.parse(device.timestamp)));
    setLongText(cells.link, visible(device.device_id));
    cells.link.href = deviceAddress(device.device_id);
    setLongText(cells.type, session.typeName(device.device_type));
    const remark = locale.remark(device);
    const value = locale.reading(device.value, specs.get(device.device_type));
    setLongText(cells.value, remark ? `${value} (${remark})` : value);
    cells.value.classList.toggle('doubtful', remark !== '');
    setLongText(cells.place, locale.shortPlace(device.location));
    setIcon(cells.icon, device.status, `status-${device.status}`);
    setText(cells.status, locale.t(terms[device.status]));
    setText(cells.alerts, device.open_alerts > 0 ? locale.number(device.open_alerts) : '');
    this.element.dataset['status'] = device.status;
  }

  /** Has the next show write everything, in another language. */
  forget() {
    this.#device = null;
  }
}

// @ts-check
import { find, instantiate, setIcon, setLongText, setText } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { devicePath } from '../../model/device-link.js';
import { labelWords, limitWords } from '../../components/registry/words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/device-list.js').ListedDevice} ListedDevice
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../../app/session.js').Session} Session
 */

/** One device in the list. Rows are used again for other ones. */
export class DeviceRow {
  element;
  #cells;
  /** What is shown. @type {unknown[]} */
  #shown = [];
  /** The device that is shown; empty for none. */
  #id = '';

  /**
   * @param {ParentNode} root Where the row's template is.
   * @param {(id: string, chosen: boolean) => void} onChoose
   */
  constructor(root, onChoose) {
    this.element = instantiate(root, 'device-row', HTMLTableRowElement);
    const cell = (/** @type {string} */ name) => find(this.element, `.col-${name}`, HTMLElement);
    this.#cells = {
      choose: find(this.element, 'input', HTMLInputElement),
      link: find(this.element, 'a', HTMLAnchorElement),
      name: find(this.element, '[data-field="name"]', HTMLElement),
      type: cell('type'),
      value: cell('value'),
      icon: find(this.element, '.col-status svg', SVGElement),
      status: find(this.element, '.col-status span', HTMLElement),
      area: find(this.element, '[data-field="area"]', HTMLElement),
      seen: cell('seen'),
      labels: cell('labels'),
      limits: cell('limits'),
      interval: cell('interval'),
      alerts: cell('alerts'),
    };
    this.#cells.choose.addEventListener('change', () => onChoose(this.#id, this.#cells.choose.checked));
  }

  /** The device that is shown; empty while there is none. */
  get id() {
    return this.#id;
  }

  /**
   * @param {ListedDevice} item As the server lists it.
   * @param {Device | undefined} live Its newest reading, if a message has brought one.
   * @param {object} state
   * @param {boolean} state.chosen
   * @param {string | undefined} state.name What the name is being changed to, if it is; and the area.
   * @param {string | undefined} state.area
   * @param {Session} session
   */
  show(item, live, { chosen, name, area }, session) {
    const cells = this.#cells;
    const device = newer(item, live);
    const shown = [item, device, chosen, name, area, session.appearance.version, session.plant.version];
    if (shown.every((one, i) => one === this.#shown[i])) return;
    this.#shown = shown;
    this.#id = item.device_id;
    const { locale, clock } = session;
    cells.choose.checked = chosen;
    cells.choose.disabled = false;
    cells.choose.setAttribute('aria-label', locale.t(terms.chooseOne, { id: visible(item.device_id) }));
    setLongText(cells.link, visible(item.device_id));
    cells.link.href = session.href(devicePath(item.device_id));
    setLongText(cells.type, device.device_type === undefined ? '' : session.typeName(device.device_type));
    setText(cells.seen, device.timestamp === undefined ? locale.t(terms.unknown) : locale.timeOrDate(Date.parse(device.timestamp), clock.now()));
    this.#showValue(device, item, session);
    this.#showStatus(item, device, session);
    this.#showEntry(item, { name, area }, session);
  }

  /**
   * @param {ListedDevice | Device} device
   * @param {ListedDevice} item
   * @param {Session} session
   */
  #showValue(device, { display }, { locale, plant }) {
    const { value } = this.#cells;
    const remark = locale.remark(device);
    const words = device.value === undefined ? locale.t(terms.unknown) : locale.reading(device.value, plant.specs.get(device.device_type ?? ''), display);
    setLongText(value, remark ? `${words} (${remark})` : words);
    value.classList.toggle('doubtful', remark !== '');
    const { open_alerts: open = 0 } = device;
    setText(this.#cells.alerts, open > 0 ? locale.number(open) : '');
  }

  /**
   * @param {ListedDevice} item
   * @param {ListedDevice | Device} device
   * @param {Session} session
   */
  #showStatus({ registered }, { status }, { locale }) {
    const { icon, status: words } = this.#cells;
    const retired = registered?.retired === true;
    if (status === 'never_sent') setIcon(icon, 'connecting');
    else setIcon(icon, status, retired ? '' : `status-${status}`);
    const said = status === 'never_sent' ? texts.neverSent : terms[status];
    setLongText(words, retired ? locale.t(texts.retiredToo, { status: locale.inline(said) }) : locale.t(said));
    this.element.dataset['status'] = retired ? 'retired' : status;
  }

  /**
   * @param {ListedDevice} item
   * @param {{name: string | undefined, area: string | undefined}} changing
   * @param {Session} session
   */
  #showEntry(item, changing, { locale }) {
    const { name = '', labels = {}, limits = {}, interval_seconds: interval } = item.registered ?? {};
    const cells = this.#cells;
    const id = visible(item.device_id);
    this.#showField(cells.name, visible(changing.name ?? name), changing.name !== undefined, locale.t(texts.editName, { id }));
    this.#showField(cells.area, visible(changing.area ?? item.registered?.area ?? item.area ?? ''), changing.area !== undefined, locale.t(texts.editArea, { id }));
    setLongText(cells.labels, labelWords(labels, locale));
    setLongText(cells.limits, limitWords(limits, locale));
    setLongText(cells.interval, interval ? locale.t(texts.seconds, { value: locale.number(interval, Number.isInteger(interval) ? 0 : 1) }) : '');
  }

  /**
   * @param {HTMLElement} cell
   * @param {string} words
   * @param {boolean} changing Whether they are not saved yet.
   * @param {string} label
   */
  #showField(cell, words, changing, label) {
    setLongText(cell, words);
    cell.classList.toggle('saving', changing);
    cell.setAttribute('aria-label', words ? `${label}: ${words}` : label);
  }

  /** Shows that what belongs here is still being loaded. */
  wait() {
    if (this.#shown.length === 0 && this.element.dataset['status'] === 'loading') return;
    this.#shown = [];
    this.#id = '';
    this.element.dataset['status'] = 'loading';
    const { icon, link, choose, ...words } = this.#cells;
    choose.checked = false;
    choose.disabled = true;
    setIcon(icon, 'connecting');
    link.removeAttribute('href');
    for (const cell of [link, ...Object.values(words)]) setLongText(cell, '');
    setText(link, '…');
    for (const cell of [this.#cells.name, this.#cells.area]) cell.removeAttribute('aria-label');
  }
}

/**
 * Returns the newer of what the server has listed and what a message has brought.
 *
 * @param {ListedDevice} item
 * @param {Device | undefined} live
 */
function newer(item, live) {
  return live && (item.timestamp === undefined || Date.parse(live.timestamp) >= Date.parse(item.timestamp)) ? live : item;
}

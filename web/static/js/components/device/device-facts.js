// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { shownSpec, shownValue } from '../../model/display.js';
import { comparing, thresholdsOf } from '../../model/thresholds.js';
import { setText, textElement } from '../dom.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../../model/history.js').DeviceDetail} DeviceDetail
 * @typedef {import('../../app/session.js').Session} Session
 */

/** What is known of a device beyond its value, as a list of names and values. */
export class DeviceFacts {
  /**
   * @param {HTMLElement} list
   * @param {Session} session
   */
  constructor(list, session) {
    this.list = list;
    this.session = session;
  }

  /**
   * @param {Device} device
   * @param {DeviceDetail | null} detail What the server has answered, with its thresholds and unit.
   */
  show(device, detail) {
    const facts = this.#facts(device, detail);
    // Names change with the language and values with each reading; what is there changes with the device.
    while (this.list.children.length > 2 * facts.length) this.list.lastElementChild?.remove();
    while (this.list.children.length < 2 * facts.length) this.list.append(textElement('dt', ''), textElement('dd', ''));
    facts.flat().forEach((words, i) => setText(/** @type {Element} */ (this.list.children[i]), words));
  }

  /**
   * @param {Device} device
   * @param {DeviceDetail | null} detail
   * @returns {[string, string][]}
   */
  #facts(device, detail) {
    const { locale } = this.session;
    const now = this.session.clock.now();
    /** @param {string} timestamp */
    const when = (timestamp) => {
      const at = Date.parse(timestamp);
      return `${locale.timeOrDate(at, now)} (${locale.ago(now - at)})`;
    };
    const { alert_rules: rules, display } = detail ?? {};
    const spec = shownSpec(this.session.plant.specs.get(device.device_type), display);
    const thresholds = thresholdsOf(comparing(rules)).map(
      (one) => `${one.below ? '<' : '>'}\u00a0${locale.threshold({ threshold: shownValue(one.threshold, display) }, spec)} (${locale.inline(terms[one.severity])})`,
    );
    const { model, firmware, battery_level: battery } = device.metadata ?? {};
    /** @type {[string, string][]} */
    const facts = [
      [locale.t(terms.deviceType), this.session.typeName(device.device_type)],
      [locale.t(terms.location), locale.place(device.location)],
      [locale.t(terms.lastReading), when(device.timestamp)],
      [locale.t(texts.statusSince), when(device.since)],
      [locale.t(texts.thresholds), thresholds.join(locale.t(terms.listSeparator))],
      [locale.t(texts.model), visible(model ?? '')],
      [locale.t(texts.firmware), visible(firmware ?? '')],
      [locale.t(texts.battery), battery === undefined ? '' : `${locale.number(battery)}%`],
      [locale.t(terms.quality), device.quality && device.quality !== 'good' ? locale.t(terms[device.quality]) : ''],
    ];
    return facts.filter(([, value]) => value !== '');
  }
}

// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { thresholdsOf } from '../../model/thresholds.js';
import { setText, textElement } from '../dom.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
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
   * @param {Record<string, number>} [limits] Its own thresholds.
   */
  show(device, limits) {
    const facts = this.#facts(device, limits);
    // Names change with the language and values with each reading; what is there changes with the device.
    while (this.list.children.length > 2 * facts.length) this.list.lastElementChild?.remove();
    while (this.list.children.length < 2 * facts.length) this.list.append(textElement('dt', ''), textElement('dd', ''));
    facts.flat().forEach((words, i) => setText(/** @type {Element} */ (this.list.children[i]), words));
  }

  /**
   * @param {Device} device
   * @param {Record<string, number>} [limits]
   * @returns {[string, string][]}
   */
  #facts(device, limits) {
    const { locale } = this.session;
    const now = this.session.clock.now();
    /** @param {string} timestamp */
    const when = (timestamp) => {
      const at = Date.parse(timestamp);
      return `${locale.timeOrDate(at, now)} (${locale.ago(now - at)})`;
    };
    const spec = this.session.plant.specs.get(device.device_type);
    const thresholds = thresholdsOf(this.session.plant.rules, device.device_type, [], limits).map(
      (one) => `${one.below ? '<' : '>'}\u00a0${locale.threshold(one, spec)} (${locale.inline(terms[one.severity])})`,
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

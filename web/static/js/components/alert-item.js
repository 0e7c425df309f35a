// @ts-check
import { terms } from '../locale/terms.js';
import { visible } from '../locale/visible.js';
import { deviceAddress } from '../model/device-link.js';
import { find, instantiate, setIcon, setText } from './dom.js';

/**
 * @typedef {import('../model/protocol.js').Alert} Alert
 * @typedef {import('../app/session.js').Session} Session
 */

/** One alert in a list: what, where, since when, and whether it still stands. */
export class AlertItem {
  element = instantiate(document, 'alert-item', HTMLLIElement);
  /** @type {Alert | null} */
  #alert = null;

  /**
   * @param {Alert} alert
   * @param {Session} session
   * @param {import('../model/display.js').Display} [display] As its device's values are shown.
   */
  show(alert, session, display) {
    this.#showTime(alert, session);
    if (alert === this.#alert) return;
    this.#alert = alert;
    const { locale } = session;
    const words = session.alertWords(alert, display);
    const cleared = alert.state === 'cleared';
    this.element.dataset['state'] = alert.state;
    const svg = find(this.element, 'svg', SVGElement);
    if (cleared) setIcon(svg, 'cleared');
    else setIcon(svg, alert.severity, `severity-${alert.severity}`);
    this.#set('.alert-severity', locale.t(terms[alert.severity]));
    this.#set('.alert-words', words);
    const link = find(this.element, 'a', HTMLAnchorElement);
    setText(link, visible(alert.device_id));
    link.href = deviceAddress(alert.device_id);
    this.#set('.alert-place', locale.shortPlace(alert.location));
    // What may be cut off in the list.
    find(this.element, '.alert-headline', HTMLElement).title = words;
    find(this.element, '.alert-detail', HTMLElement).title = [visible(alert.device_id), locale.shortPlace(alert.location)].filter(Boolean).join(' ');
    const closed = cleared || alert.state === 'acknowledged';
    this.#set('.alert-state', closed ? locale.t(terms[alert.state]) : session.alertValue(alert, display));
  }

  /** Has the next show write everything, in another language. */
  forget() {
    this.#alert = null;
    find(this.element, 'time', HTMLTimeElement).dateTime = '';
  }

  /**
   * @param {Alert} alert
   * @param {Session} session
   */
  #showTime(alert, session) {
    const at = Date.parse(alert.timestamp);
    const time = find(this.element, 'time', HTMLTimeElement);
    setText(time, session.locale.ago(session.clock.now() - at));
    if (time.dateTime === alert.timestamp) return;
    time.dateTime = alert.timestamp;
    time.title = session.locale.dateTime(at);
  }

  /**
   * @param {string} selector
   * @param {string} text
   */
  #set(selector, text) {
    setText(find(this.element, selector, HTMLElement), text);
  }
}

// @ts-check
import { terms } from '../locale/terms.js';
import { visible } from '../locale/visible.js';
import { say } from './dom.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../model/protocol.js').Alert} Alert
 * @typedef {import('../app/session.js').Session} Session
 */

/** Alerts are read aloud together when they come faster than this, in milliseconds. */
const pause = 5000;

/** Has new alerts read aloud by a screen reader. Fifty at once are not read one by one: nobody could follow. */
export class Announcer {
  /** @type {Alert | undefined} */
  #first;
  #count = 0;
  #announced = -Infinity;

  /**
   * @param {HTMLElement} element A live region. A dialog needs one of its own: it hides the page's while it is open.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(element, session, signal) {
    this.element = element;
    this.session = session;
    session.alerts.subscribe(({ news }) => this.#add(news), { signal });
    session.clock.subscribe(() => this.#announce(), { signal });
  }

  /** @param {Alert[]} alerts */
  #add(alerts) {
    const raised = alerts.filter(({ state }) => state === 'raised');
    this.#first ??= raised[0];
    this.#count += raised.length;
  }

  /** Says what has come, unless it has just announced something. */
  #announce() {
    const first = this.#first;
    if (!first || performance.now() - this.#announced < pause) return;
    this.#announced = performance.now();
    const { locale } = this.session;
    const words = this.#count > 1 ? locale.t(texts.announceMany, { count: this.#count }) : this.#words(first);
    say(this.element, words);
    this.#first = undefined;
    this.#count = 0;
  }

  /** @param {Alert} alert */
  #words(alert) {
    const { locale } = this.session;
    return locale.t(texts.announceRaised, {
      severity: locale.t(terms[alert.severity]),
      words: this.session.alertWords(alert),
      device: visible(alert.device_id),
    });
  }
}

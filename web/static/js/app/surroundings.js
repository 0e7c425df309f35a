// @ts-check
import { ServerClock } from '../model/server-clock.js';

/**
 * @typedef {import('../locale/locale.js').Locale} Locale
 * @typedef {import('../model/protocol.js').AlertRule} AlertRule
 * @typedef {import('../model/protocol.js').TypeSpec} TypeSpec
 */

/** What all elements of the page go by: the language, the device types and the server's time. */
export class Surroundings {
  clock = new ServerClock();
  windowSeconds = 30;
  /** In the server's order. @type {Map<string, TypeSpec>} */
  specs = new Map();
  /** @type {AlertRule[]} */
  rules = [];

  /** @param {Locale} locale */
  constructor(locale) {
    this.locale = locale;
  }

  /** This browser's time since the epoch by a clock that nobody can set; wrong by as much as the other was when the page was loaded. */
  local() {
    return performance.timeOrigin + performance.now();
  }

  /** The server's time. */
  now() {
    return this.clock.at(this.local());
  }

  /** @param {string} type */
  typeName(type) {
    return this.locale.typeName(type, this.specs.get(type));
  }
}

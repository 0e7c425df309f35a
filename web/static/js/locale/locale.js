// @ts-check
import { comparesNothing } from '../model/alerts.js';
import { shownSpec, shownValue } from '../model/display.js';
import { terms } from './terms.js';
import { languageTags } from './language.js';
import { visible } from './visible.js';

/**
 * @typedef {import('./language.js').Language} Language
 * @typedef {import('../model/protocol.js').Alert} Alert
 * @typedef {import('../model/protocol.js').Location} Location
 * @typedef {import('../model/display.js').Display} Display
 * @typedef {import('../model/protocol.js').TypeSpec} TypeSpec
 *
 * @typedef {string | {one?: string, other: string}} Words With {gaps} for values; by the plural form that a {count} takes.
 * @typedef {Record<Language, Words>} Text The same in each language.
 */

/** From here on a number is written as its first digits and a power of ten. */
const huge = 1e12;

/**
 * Says everything in one language: words, numbers with their units, times, places and alerts. Times are those of the
 * reader's own zone. It never changes; another language is another Locale.
 */
export class Locale {
  /** @type {Map<number, Intl.NumberFormat>} */
  #decimals = new Map();
  #tag;
  #time;
  #dateTime;
  #date;
  /** Those of times of a plan, by their time zone. @type {Map<string, Intl.DateTimeFormat>} */
  #planned = new Map();
  #tick;
  #plural;

  /** @param {Language} language */
  constructor(language) {
    this.language = language;
    this.#tag = languageTags[language];
    const time = /** @type {const} */ ({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
    this.#time = new Intl.DateTimeFormat(this.#tag, time);
    this.#dateTime = new Intl.DateTimeFormat(this.#tag, { ...time, month: '2-digit', day: '2-digit' });
    this.#plural = new Intl.PluralRules(this.#tag);
    this.#tick = new Intl.NumberFormat(this.#tag, { maximumFractionDigits: 6 });
    this.#date = new Intl.DateTimeFormat(this.#tag, { month: '2-digit', day: '2-digit' });
  }

  /** The language's tag, for the page's lang attribute. */
  get tag() {
    return this.#tag;
  }

  /**
   * Says a text, with each {gap} filled.
   *
   * @param {Text} text
   * @param {Record<string, string | number>} [values]
   */
  t(text, values = {}) {
    const said = text[this.language];
    const words = typeof said === 'string' ? said : (said[this.#form(values['count'])] ?? said.other);
    return words.replace(/\{(\w+)\}/g, (gap, name) => {
      const value = values[name] ?? gap;
      return typeof value === 'number' ? this.number(value) : value;
    });
  }

  /** @param {string | number | undefined} count */
  #form(count) {
    return this.#plural.select(Number(count)) === 'one' ? 'one' : 'other';
  }

  /**
   * A word that stands alone elsewhere, as part of a sentence.
   *
   * @param {Text} text
   */
  inline(text) {
    return this.t(text).toLocaleLowerCase(this.#tag);
  }

  /**
   * @param {number} value
   * @param {number} [decimals]
   */
  number(value, decimals = 0) {
    // Nobody can read 300 digits, and a small value that is not zero must not be written as 0.00.
    const size = Math.abs(value);
    if (size >= huge || (decimals > 0 && size > 0 && size < 1e-9)) return value.toExponential(3).replace('e+', 'e');
    if (value === 0) value = 0; // Without the sign that floating point may give it.
    let format = this.#decimals.get(decimals);
    if (!format) {
      format = new Intl.NumberFormat(this.#tag, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
      this.#decimals.set(decimals, format);
    }
    return format.format(value);
  }

  /**
   * Says that a reading's quality is uncertain or bad, and that it is of the past; empty if neither.
   *
   * @param {{quality?: string, historical?: boolean}} reading
   */
  remark({ quality, historical }) {
    const words = [quality === 'bad' || quality === 'uncertain' ? this.t(terms[quality]) : '', historical ? this.t(terms.historical) : ''];
    return words.filter(Boolean).join(this.t(terms.listSeparator));
  }

  /**
   * The value of one reading: 25.6 °C, or the name of its state.
   *
   * @param {number} value
   * @param {TypeSpec | undefined} spec
   * @param {Display} [display] The unit in which people want to see the device's values, if not that of the type.
   */
  reading(value, spec, display) {
    if (display && spec) return this.quantity(shownValue(value, display), shownSpec(spec, display));
    return spec?.states?.[value] ?? this.quantity(value, spec);
  }

  /**
   * A value made of many readings. The average of something that is OFF or ON is the share of ON; with more than two
   * states an average has no name, and is written as a number.
   *
   * @param {number | null | undefined} value
   * @param {TypeSpec | undefined} spec
   */
  aggregate(value, spec) {
    if (value === null || value === undefined) return this.t(terms.unknown);
    const states = spec?.states;
    if (!states) return this.quantity(value, spec);
    if (states[value] !== undefined) return states[value];
    return states.length === 2 ? `${this.number(value * 100)}% ${states[1]}` : this.number(value, 2);
  }

  /**
   * A value without its unit, for beside one that has it.
   *
   * @param {number | null} value
   * @param {TypeSpec | undefined} spec
   */
  plain(value, spec) {
    if (value === null) return this.t(terms.unknown);
    return spec?.states?.[value] ?? this.number(value, spec?.decimals ?? 2);
  }

  /**
   * @param {number} value
   * @param {TypeSpec | undefined} spec
   */
  quantity(value, spec) {
    return withUnit(this.number(value, spec?.decimals ?? 2), spec?.unit ?? '');
  }

  /**
   * A value on an axis, with no more digits than it needs and no unit.
   *
   * @param {number} value
   * @param {TypeSpec | undefined} spec
   */
  tick(value, spec) {
    const states = spec?.states;
    if (states?.length === 2) return states[value] ?? (value > 0 && value < 1 ? `${this.number(value * 100)}%` : '');
    if (states) return states[value] ?? '';
    return this.precise(value);
  }

  /**
   * A number with no more digits than it needs.
   *
   * @param {number} value
   */
  precise(value) {
    if (Math.abs(value) < huge) return this.#tick.format(value);
    return value.toExponential(3).replace(/\.?0*e\+?/, 'e');
  }

  /** @param {number} milliseconds */
  milliseconds(milliseconds) {
    if (milliseconds >= 10_000) return `${this.number(milliseconds / 1000)}\u00a0s`;
    if (milliseconds >= 1000) return `${this.number(milliseconds / 1000, 1)}\u00a0s`;
    return `${this.number(milliseconds)}\u00a0ms`;
  }

  /** @param {number} at */
  time(at) {
    return this.#time.format(at);
  }

  /** @param {number} at */
  dateTime(at) {
    return this.#dateTime.format(at);
  }

  /**
   * The time alone if it was today, with the day otherwise.
   *
   * @param {number} at
   * @param {number} now
   */
  timeOrDate(at, now) {
    return this.#date.format(at) === this.#date.format(now) ? this.time(at) : this.dateTime(at);
  }

  /**
   * A time of a plan: the day of the week, the date, and the time to the minute.
   *
   * @param {number} at
   * @param {string} zone By whose clocks; by the reader's if there is no such time zone.
   */
  planned(at, zone) {
    let format = this.#planned.get(zone);
    if (!format) {
      const parts = /** @type {const} */ ({ weekday: 'short', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
      try {
        format = new Intl.DateTimeFormat(this.#tag, { ...parts, timeZone: zone });
      } catch {
        format = new Intl.DateTimeFormat(this.#tag, parts);
      }
      this.#planned.set(zone, format);
    }
    return format.format(at);
  }

  /**
   * How long ago something was.
   *
   * @param {number} milliseconds
   */
  ago(milliseconds) {
    const { count, unit } = coarse(milliseconds);
    return this.t(terms[`${unit}Ago`], { count });
  }

  /** @param {number} milliseconds */
  duration(milliseconds) {
    const { count, unit } = coarse(milliseconds);
    return this.t(terms[`${unit}Long`], { count });
  }

  /**
   * Where a device is, in full.
   *
   * @param {Location | undefined} location
   */
  place(location) {
    const { building = '', floor, room = '' } = location ?? {};
    const parts = [building, floor === undefined ? '' : this.t(terms.floor, { floor }), room === '' ? '' : this.t(terms.room, { room })];
    return visible(parts.filter(Boolean).join(this.t(terms.placeSeparator)));
  }

  /**
   * Where a device is, for where there is little room.
   *
   * @param {Location | undefined} location
   */
  shortPlace(location) {
    const { building = '', floor, room = '' } = location ?? {};
    const parts = [building, floor === undefined ? '' : this.t(terms.floorShort, { floor }), room];
    return visible(parts.filter(Boolean).join(' '));
  }

  /**
   * The name of a type; the name that it has on the wire when it is not known.
   *
   * @param {string} type
   * @param {TypeSpec | undefined} spec
   */
  typeName(type, spec) {
    return spec?.labels?.[this.language] ?? spec?.labels?.['en'] ?? visible(type);
  }

  /**
   * What an alert is about, from its fields: the message that the server sends is in one language only.
   *
   * @param {Alert} alert
   * @param {TypeSpec | undefined} spec
   */
  alertWords(alert, spec) {
    if (alert.alert_type === 'device_offline') return this.t(terms.alertOffline);
    if (alert.alert_type === 'device_clock_step') return this.t(terms.alertClock, { step: withUnit(this.precise(alert.current_value), 's') });
    const type = this.typeName(alert.device_type, spec);
    return this.t(alert.below ? terms.alertLow : terms.alertHigh, { type, threshold: this.threshold(alert, spec) });
  }

  /**
   * A threshold, with no more digits than somebody gave it.
   *
   * @param {{threshold: number}} of An alert or a rule.
   * @param {TypeSpec | undefined} spec
   */
  threshold({ threshold }, spec) {
    return spec?.states?.[threshold] ?? withUnit(this.precise(threshold), spec?.unit ?? '');
  }

  /**
   * The value at an alert's latest event, or nothing where the rule compares none.
   *
   * @param {Alert} alert
   * @param {TypeSpec | undefined} spec
   * @param {Display} [display] As of reading.
   */
  alertValue(alert, spec, display) {
    return comparesNothing(alert.alert_type) ? '' : this.reading(alert.current_value, spec, display);
  }
}

/**
 * @param {string} number
 * @param {string} unit
 */
function withUnit(number, unit) {
  if (!unit) return number;
  // A no-break space keeps the two together at the end of a line.
  return unit === '%' ? `${number}%` : `${number}\u00a0${unit}`;
}

/**
 * @param {number} milliseconds
 * @returns {{count: number, unit: 'seconds' | 'minutes' | 'hours' | 'days'}}
 */
function coarse(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return { count: seconds, unit: 'seconds' };
  if (seconds < 3600) return { count: Math.floor(seconds / 60), unit: 'minutes' };
  if (seconds < 86400) return { count: Math.floor(seconds / 3600), unit: 'hours' };
  return { count: Math.floor(seconds / 86400), unit: 'days' };
}

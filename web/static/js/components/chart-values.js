// @ts-check
import { terms } from '../locale/terms.js';
import { texts } from './texts.js';

/**
 * The values of a chart, as text to be read, on the screen or aloud.
 *
 * @typedef {object} ChartValues
 * @property {string} caption What it is, and of which time.
 * @property {string[]} columns The values of each row, after its time.
 * @property {ValueRow[]} rows Oldest first.
 *
 * @typedef {object} ValueRow A point of the chart, or a gap in it.
 * @property {number} at Where it is on the time axis, in milliseconds since the epoch; the middle of a gap.
 * @property {string} head When that was.
 * @property {string[] | null} cells A value for each column; null for a gap.
 * @property {[string, string][]} pairs Names and values with their units; none for a gap.
 */

/**
 * Returns a row in one line, to be read aloud.
 *
 * @param {ValueRow} row
 * @param {import('../locale/locale.js').Locale} locale
 */
export function spoken({ head, pairs, cells }, locale) {
  const values = cells ? pairs.map((pair) => pair.join(' ')).join(locale.t(terms.listSeparator)) : locale.t(texts.gap);
  return locale.t(texts.spokenRow, { head, values });
}

/**
 * Names a column, with the unit of what is in it.
 *
 * @param {string} name
 * @param {import('../model/protocol.js').TypeSpec | undefined} spec
 * @param {import('../locale/locale.js').Locale} locale
 */
export function columnName(name, spec, locale) {
  return spec?.unit && !spec.states ? locale.t(texts.withUnit, { name, unit: spec.unit }) : name;
}

/**
 * Returns a type whose values are written without their unit, which the column's name has.
 *
 * @param {import('../model/protocol.js').TypeSpec | undefined} spec
 */
export function unitless(spec) {
  return spec && { ...spec, unit: '' };
}

/**
 * Words a span of time.
 *
 * @param {number} from
 * @param {number} to
 * @param {import('../locale/locale.js').Locale} locale
 * @param {number} now The server's time.
 */
export function spanWords(from, to, locale, now) {
  return locale.t(texts.span, { from: locale.timeOrDate(from, now), to: locale.timeOrDate(to, now) });
}

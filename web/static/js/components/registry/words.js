// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { texts } from './texts.js';

/** @typedef {import('../../locale/locale.js').Locale} Locale */

/**
 * Writes labels on one line.
 *
 * @param {Record<string, string>} labels
 * @param {Locale} locale
 */
export function labelWords(labels, locale) {
  const words = Object.entries(labels).map(([name, value]) => visible(value === '' ? name : `${name}=${value}`));
  return words.join(locale.t(terms.listSeparator));
}

/**
 * Writes a device's own limits on one line.
 *
 * @param {Record<string, number>} limits
 * @param {Locale} locale
 */
export function limitWords(limits, locale) {
  return Object.entries(limits).map(([rule, limit]) => `${visible(rule)}\u00a0${locale.precise(limit)}`).join(locale.t(terms.listSeparator));
}

/**
 * Names parts of an entry.
 *
 * @param {readonly (typeof import('../../model/entry.js').entryKeys)[number][]} parts
 * @param {Locale} locale
 */
export function partNames(parts, locale) {
  const names = {
    name: texts.partName, area: texts.partArea, labels: texts.partLabels, limits: texts.partLimits, unit: texts.partUnit, interval_seconds: texts.partInterval, retired: texts.partRetired, parent: texts.partParent,
  };
  return parts.map((part) => locale.t(names[part])).join(locale.t(terms.listSeparator));
}

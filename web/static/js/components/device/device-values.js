// @ts-check
import { terms } from '../../locale/terms.js';
import { columnName, spanWords, unitless } from '../chart-values.js';

/**
 * @typedef {import('../chart-values.js').ValueRow} ValueRow
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('./device-chart.js').DeviceView} DeviceView
 */

/**
 * Returns the values of each reading.
 *
 * @param {DeviceView} view
 * @param {Locale} locale
 */
export function deviceColumns({ spec, bad }, locale) {
  return [columnName(locale.t(terms.value), spec, locale), ...(bad.length > 0 ? [locale.t(terms.quality)] : [])];
}

/**
 * Returns the readings of the chart as rows, those of quality bad among them.
 *
 * @param {DeviceView} view
 * @param {Locale} locale
 * @param {number} now The server's time.
 * @returns {ValueRow[]}
 */
export function deviceRows({ points, bad, spec }, locale, now) {
  const qualities = bad.length > 0;
  const marked = [...points.map(([at, value]) => ({ at, value, good: true })), ...bad.map(([at, value]) => ({ at, value, good: false }))];
  marked.sort((a, b) => a.at - b.at);
  return marked.map(({ at, value, good }, i) => {
    if (value === null) {
      const end = marked[i + 1]?.at ?? at;
      return { at: (at + end) / 2, head: spanWords(at, end, locale, now), cells: null, pairs: [] };
    }
    const quality = good ? '' : locale.t(terms.bad);
    return {
      at,
      head: locale.timeOrDate(at, now),
      cells: [locale.reading(value, unitless(spec)), ...(qualities ? [quality] : [])],
      pairs: [[locale.t(terms.value), locale.reading(value, spec)], .../** @type {[string, string][]} */ (good ? [] : [[locale.t(terms.quality), quality]])],
    };
  });
}

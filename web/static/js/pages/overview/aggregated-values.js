// @ts-check
import { columnName, spanWords, unitless } from '../../components/chart-values.js';
import { terms } from '../../locale/terms.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../components/chart-values.js').ValueRow} ValueRow
 * @typedef {import('../../model/windows.js').WindowPoint} WindowPoint
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('./aggregated-chart.js').AggregatedView} AggregatedView
 */

/**
 * Returns the values of each point of the chart.
 *
 * @param {AggregatedView} view
 * @param {Locale} locale
 */
export function aggregatedColumns({ spec }, locale) {
  const values = [terms.maximum, terms.average, terms.minimum].map((term) => columnName(locale.t(term), spec, locale));
  return [...values, locale.t(texts.deviceCount), locale.t(texts.readings)];
}

/**
 * Returns the points of the chart as rows; those without readings in between are one gap.
 *
 * @param {AggregatedView} view
 * @param {Locale} locale
 * @param {number} now The server's time.
 * @returns {ValueRow[]}
 */
export function aggregatedRows(view, locale, now) {
  const { step } = view;
  // A step that has only begun is no gap.
  const points = view.points.filter(({ start, count }) => count > 0 || start + step <= now);
  /** @type {ValueRow[]} */
  const rows = [];
  for (let i = 0; i < points.length; i++) {
    const first = /** @type {WindowPoint} */ (points[i]);
    if (first.count > 0) {
      rows.push(pointRow(first, view, locale, now));
      continue;
    }
    while (points[i + 1]?.count === 0) i++;
    const last = /** @type {WindowPoint} */ (points[i]);
    rows.push({ at: (first.start + last.start) / 2, head: spanWords(first.start, last.start + step, locale, now), cells: null, pairs: [] });
  }
  return rows;
}

/**
 * @param {WindowPoint} point
 * @param {AggregatedView} view
 * @param {Locale} locale
 * @param {number} now
 * @returns {ValueRow}
 */
export function pointRow(point, { spec, step }, locale, now) {
  const span = spanWords(point.start, point.start + step, locale, now);
  const counts = [locale.number(point.devices), locale.number(point.count)];
  return {
    at: point.start,
    head: point.final ? span : `${span} (${locale.t(texts.inProgress)})`,
    cells: [...[point.max, point.average, point.min].map((value) => locale.aggregate(value, unitless(spec))), ...counts],
    pairs: [
      [locale.t(terms.maximum), locale.aggregate(point.max, spec)],
      [locale.t(terms.average), locale.aggregate(point.average, spec)],
      [locale.t(terms.minimum), locale.aggregate(point.min, spec)],
      [locale.t(texts.deviceCount), locale.number(point.devices)],
      [locale.t(texts.readings), locale.number(point.count)],
    ],
  };
}

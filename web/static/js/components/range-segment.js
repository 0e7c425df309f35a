// @ts-check
import { livePoints } from '../model/series.js';
import { terms } from '../locale/terms.js';
import { texts } from './texts.js';

/**
 * Words a range of time for a choice between several.
 *
 * @param {import('../model/series.js').Range} range
 * @param {import('../locale/locale.js').Locale} locale
 * @returns {import('./segmented.js').Segment}
 */
export function rangeSegment({ name, seconds }, locale) {
  if (seconds === 0) {
    return { value: name, text: locale.t(terms.live), label: locale.t(texts.rangeLiveLong, { count: livePoints }) };
  }
  if (seconds < 3600) {
    const count = seconds / 60;
    return { value: name, text: locale.t(texts.rangeMinutes, { count }), label: locale.t(texts.rangeMinutesLong, { count }) };
  }
  if (seconds > 86400) {
    const count = seconds / 86400;
    return { value: name, text: locale.t(texts.rangeDays, { count }), label: locale.t(texts.rangeDaysLong, { count }) };
  }
  const count = seconds / 3600;
  return { value: name, text: locale.t(texts.rangeHours, { count }), label: locale.t(texts.rangeHoursLong, { count }) };
}

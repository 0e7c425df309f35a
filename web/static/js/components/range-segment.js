// @ts-check
import { livePoints } from '../model/series.js';

/**
 * Words a range of time for a choice between several.
 *
 * @param {import('../model/series.js').Range} range
 * @param {import('../locale/locale.js').Locale} locale
 * @returns {import('./segmented.js').Segment}
 */
export function rangeSegment({ name, seconds }, locale) {
  if (seconds === 0) {
    return { value: name, text: locale.t('rangeLive'), label: locale.t('rangeLiveLong', { count: livePoints }) };
  }
  if (seconds < 3600) {
    const count = seconds / 60;
    return { value: name, text: locale.t('rangeMinutes', { count }), label: locale.t('rangeMinutesLong', { count }) };
  }
  const count = seconds / 3600;
  return { value: name, text: locale.t('rangeHours', { count }), label: locale.t('rangeHoursLong', { count }) };
}

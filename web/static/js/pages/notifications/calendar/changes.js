// @ts-check
import { html } from '../../../../vendor/lit-html/lit-html.js';
import { partBecomes } from '../../../components/notifications/words.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { differentParts } from '../../../model/calendar-form.js';
import { listed, timesWords } from '../words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/notifications.js').CalendarBody} CalendarBody
 * @typedef {import('../../../locale/locale.js').Locale} Locale
 */

/** What the parts are called. */
const names = { time_zone: texts.calendarZoneField, overrides: texts.partOverrides, shifts: texts.partShifts, rotation: texts.partRotation, otherwise: texts.partOtherwise };

/**
 * What a part of a calendar says.
 *
 * @param {CalendarBody} calendar
 * @param {(typeof import('../../../model/calendar-form.js').calendarParts)[number]} part
 * @param {Locale} locale
 */
export function partWords(calendar, part, locale) {
  const time = (/** @type {string} */ text) => visible(text.replace('T', ' '));
  const list = (/** @type {string[]} */ words) => words.join('; ') || locale.t(texts.noneOfIt);
  const { overrides = [], rotation, shifts = [] } = calendar;
  switch (part) {
    case 'time_zone': return visible(calendar.time_zone);
    case 'overrides': return list(overrides.map(({ from, until, channels }) => locale.t(texts.overrideWords, { from: time(from), until: time(until), who: listed(channels, locale) })));
    case 'shifts': return list(shifts.map((shift) => locale.t(texts.shiftWords, { times: timesWords([shift], locale), who: listed(shift.channels, locale) })));
    case 'rotation': return rotation ? locale.t(texts.rotationWords, { count: rotation.days, start: time(rotation.start), who: listed(rotation.channels, locale) }) : locale.t(texts.noneOfIt);
    default: return listed(calendar.otherwise, locale) || locale.t(terms.unknown);
  }
}

/**
 * How a calendar differs from the one before, in words.
 *
 * @param {CalendarBody} before
 * @param {CalendarBody} after
 * @param {Locale} locale
 */
export function calendarChanges(before, after, locale) {
  const parts = differentParts(before, after);
  if (parts.length === 0) return html`<p class="soft">${locale.t(texts.calendarSame)}</p>`;
  return html`<ul class="rule-changes">${parts.map((part) => html`<li>${partBecomes(locale.t(names[part]), partWords(before, part, locale), partWords(after, part, locale), locale)}</li>`)}</ul>`;
}

// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { days, phaseOf, repeatsOf } from '../../model/maintenance.js';
import { scopeWords as selected } from '../rule/words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/maintenance.js').MaintenanceBody} MaintenanceBody
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../app/session.js').Session} Session
 */

/** What the days are called. @type {Record<import('../../model/maintenance.js').Day, import('../../locale/locale.js').Text>} */
export const dayNames = { mon: texts.mon, tue: texts.tue, wed: texts.wed, thu: texts.thu, fri: texts.fri, sat: texts.sat, sun: texts.sun };

/**
 * Says what maintenance is about.
 *
 * @param {MaintenanceBody} plan
 * @param {Session} session
 */
export function scopeWords(plan, session) {
  const { locale } = session;
  const about = [plan.device_type ? session.typeName(plan.device_type) : '', selected(plan, locale)].filter(Boolean);
  const except = (plan.except ?? []).map((scope) => selected(scope, locale));
  return [
    about.length > 0 ? about.join(locale.t(terms.listSeparator)) : locale.t(texts.wholePlant),
    except.length > 0 ? locale.t(texts.exceptScope, { scopes: except.join(' · ') }) : '',
  ].filter(Boolean).join(' · ');
}

/**
 * Says when maintenance is, or was.
 *
 * @param {MaintenanceBody} plan
 * @param {number} now
 * @param {Locale} locale
 */
export function whenWords(plan, now, locale) {
  const { phase, from, until } = phaseOf(plan, now);
  const at = (/** @type {number} */ time) => locale.timeOrDate(time, now);
  if (phase === 'running') return locale.t(texts.runningUntil, { time: at(until) });
  if (phase === 'planned') return locale.t(texts.plannedFrom, { from: at(from), until: at(until) });
  return until ? locale.t(texts.overSince, { time: at(until) }) : locale.t(texts.neverPlanned);
}

/**
 * Says what repeats each week; empty if nothing does.
 *
 * @param {MaintenanceBody} plan
 * @param {Locale} locale
 */
export function weeklyWords({ weekly = [], time_zone: zone = '' }, locale) {
  const words = repeatsOf(weekly).map(({ days: on, from, until }) => {
    const named = on.length === days.length ? locale.t(texts.everyDay) : on.map((day) => locale.t(dayNames[day])).join(locale.t(terms.listSeparator));
    return locale.t(texts.weeklyTimes, { days: named, from, until, zone: visible(zone) });
  });
  return words.join(locale.t(terms.listSeparator));
}

/**
 * The address of maintenance, below the application's root.
 *
 * @param {string} name
 */
export function maintenancePath(name) {
  return `maintenance?${new URLSearchParams({ name })}`;
}

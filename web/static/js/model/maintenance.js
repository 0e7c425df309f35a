// @ts-check
import { typedTags, writtenTags } from './source-rules.js';

/**
 * @typedef {import('./rules.js').Scope} Scope
 * @typedef {{from: string, until: string}} Period Times of RFC 3339.
 * @typedef {'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'} Day
 * @typedef {{day: Day, from: string, until: string}} Weekly Local times, hh:mm.
 *
 * @typedef {Scope & {device_type?: string, except?: Scope[], reason?: string, periods?: Period[], time_zone?: string, weekly?: Weekly[]}} MaintenanceBody What people decide
 *   about maintenance. With weekly, periods are what that says of the next weeks.
 *
 * @typedef {MaintenanceBody & {name: string, version: number, devices_selected?: number, alerts_suppressed?: number, time?: string, actor?: string}} Maintenance
 *
 * @typedef {import('./decisions.js').Decisions<MaintenanceBody, Maintenance>} MaintenanceDecisions
 *
 * @typedef {{days: Day[], from: string, until: string}} Repeat The same times on several days.
 * @typedef {{area: string, labels: string, devices: string}} ScopeDraft A scope as it is typed: labels as name=value on one line, a device on each line.
 *
 * @typedef {ScopeDraft & {name: string, type: string, except: ScopeDraft[], reason: string, weekly: boolean, periods: Period[], zone: string, repeats: Repeat[]}} PlanDraft
 *   Maintenance as it is typed. The times of periods are as an input of the type datetime-local has them.
 */

/** @type {readonly Day[]} */
export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** @typedef {'running' | 'planned' | 'over'} Phase */

/**
 * Where maintenance is: the period that holds, or else the next one, or else the last.
 *
 * @param {MaintenanceBody} plan
 * @param {number} now
 * @returns {{phase: Phase, from: number, until: number}}
 */
export function phaseOf({ periods = [] }, now) {
  let last = { phase: /** @type {Phase} */ ('over'), from: 0, until: 0 };
  for (const period of periods) { // They are in order.
    const [from, until] = [Date.parse(period.from), Date.parse(period.until)];
    if (until > now) return { phase: from <= now ? 'running' : 'planned', from, until };
    last = { phase: 'over', from, until };
  }
  return last;
}

/**
 * Orders maintenance: what is going on first, then what comes next, then what was last.
 *
 * @param {Maintenance[]} plans
 * @param {number} now
 * @returns {Maintenance[]}
 */
export function inOrder(plans, now) {
  const ranks = { running: 0, planned: 1, over: 2 };
  const known = plans.map((plan) => ({ plan, ...phaseOf(plan, now) }));
  known.sort((a, b) => ranks[a.phase] - ranks[b.phase]
    || (a.phase === 'running' ? a.until - b.until : a.phase === 'planned' ? a.from - b.from : b.until - a.until)
    || (a.plan.name < b.plan.name ? -1 : 1));
  return known.map(({ plan }) => plan);
}

/**
 * Joins the times that are the same on several days.
 *
 * @param {Weekly[]} weekly
 * @returns {Repeat[]}
 */
export function repeatsOf(weekly) {
  /** @type {Map<string, Repeat>} */
  const repeats = new Map();
  for (const { day, from, until } of weekly) {
    const key = `${from} ${until}`;
    const repeat = repeats.get(key) ?? { days: [], from, until };
    repeat.days.push(day);
    repeats.set(key, repeat);
  }
  for (const repeat of repeats.values()) repeat.days.sort((a, b) => days.indexOf(a) - days.indexOf(b));
  return [...repeats.values()];
}

/**
 * @typedef {{kind: 'area' | 'device' | 'type' | 'all', value: string}} Target What maintenance that begins at once is about.
 */

/**
 * Returns maintenance that begins now. Its name says what it is about and when it was decided.
 *
 * @param {Target} target
 * @param {{seconds: number, reason: string, now: number, all: string}} how All is the name of the whole plant.
 * @returns {{name: string, body: MaintenanceBody}}
 */
export function beginningNow({ kind, value }, { seconds, reason, now, all }) {
  const of = kind === 'all' ? all : value;
  return {
    name: `${cut(of, 100)} ${localTime(now).replace('T', ' ')}`,
    body: {
      ...(kind === 'area' && { area: value }), ...(kind === 'device' && { devices: [value] }), ...(kind === 'type' && { device_type: value }), reason,
      periods: [{ from: new Date(now).toISOString(), until: new Date(now + seconds * 1000).toISOString() }],
    },
  };
}

/**
 * Cuts a text to a number of bytes, at a character.
 *
 * @param {string} text
 * @param {number} most
 */
function cut(text, most) {
  let size = 0;
  let kept = '';
  for (const character of text) {
    size += new TextEncoder().encode(character).length;
    if (size > most) return kept;
    kept += character;
  }
  return kept;
}

/**
 * A time by the reader's clock, to the minute, as an input of the type datetime-local has it.
 *
 * @param {number} at
 */
export function localTime(at) {
  const date = new Date(at);
  const two = (/** @type {number} */ number) => String(number).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

/**
 * A draft of something new: tomorrow morning by the reader's clock.
 *
 * @param {number} now
 * @param {string} zone The reader's time zone.
 * @returns {PlanDraft}
 */
export function blankPlan(now, zone) {
  const start = new Date(now);
  start.setDate(start.getDate() + 1);
  start.setHours(8, 0, 0, 0);
  const from = localTime(start.getTime());
  start.setHours(16);
  return {
    name: '', type: '', area: '', labels: '', devices: '', except: [], reason: '', weekly: false, periods: [{ from, until: localTime(start.getTime()) }], zone,
    repeats: [{ days: ['sat'], from: '22:00', until: '06:00' }],
  };
}

/** @param {Scope} scope @returns {ScopeDraft} */
function scopeDraft({ area = '', labels = {}, devices = [] }) {
  return { area, labels: writtenTags(labels), devices: devices.join('\n') };
}

/**
 * @param {Maintenance} plan
 * @param {PlanDraft} blank What is offered where the plan says nothing.
 * @returns {PlanDraft}
 */
export function draftOf(plan, blank) {
  const weekly = (plan.weekly ?? []).length > 0;
  return {
    ...blank, ...scopeDraft(plan), name: plan.name, type: plan.device_type ?? '', except: (plan.except ?? []).map(scopeDraft), reason: plan.reason ?? '', weekly,
    ...(weekly ? { repeats: repeatsOf(plan.weekly ?? []), zone: plan.time_zone ?? blank.zone }
      : { periods: (plan.periods ?? []).map(({ from, until }) => ({ from: localTime(Date.parse(from)), until: localTime(Date.parse(until)) })) }),
  };
}

/** @param {ScopeDraft} draft @returns {Scope} */
function scopeOf({ area, labels, devices }) {
  const tags = typedTags(labels);
  const ids = devices.split('\n').map((id) => id.trim()).filter(Boolean);
  return { ...(area.trim() && { area: area.trim() }), ...(Object.keys(tags).length > 0 && { labels: tags }), ...(ids.length > 0 && { devices: ids }) };
}

/** @typedef {'name' | 'reason' | 'periods' | 'order' | 'days' | 'times'} PlanMistake */

/**
 * Returns what a draft decides, or what is wrong with it. The times of periods that were not touched stay to the second.
 *
 * @param {PlanDraft} draft
 * @param {Maintenance | null} before
 * @returns {{body: MaintenanceBody} | {mistake: PlanMistake}}
 */
export function bodyOf(draft, before) {
  if (!draft.name.trim()) return { mistake: 'name' };
  if (!draft.reason.trim()) return { mistake: 'reason' };
  const except = draft.except.map(scopeOf).filter((scope) => Object.keys(scope).length > 0);
  const about = { ...(draft.type && { device_type: draft.type }), ...scopeOf(draft), ...(except.length > 0 && { except }), reason: draft.reason.trim() };
  if (draft.weekly) {
    if (draft.repeats.length === 0 || draft.repeats.some((repeat) => repeat.days.length === 0)) return { mistake: 'days' };
    if (draft.repeats.some(({ from, until }) => !from || !until)) return { mistake: 'times' };
    const weekly = draft.repeats.flatMap(({ days: on, from, until }) => on.map((day) => ({ day, from, until })));
    return { body: { ...about, time_zone: draft.zone.trim(), weekly } };
  }
  if (draft.periods.length === 0) return { mistake: 'periods' };
  const known = before?.weekly ? [] : (before?.periods ?? []);
  const local = (/** @type {string} */ time) => localTime(Date.parse(time));
  // Several times may look the same: those of one minute, and those of the hour that comes twice when the clocks go back.
  const untouched = new Map(known.map((period) => [`${local(period.from)} ${local(period.until)}`, period]));
  const exact = new Map(known.flatMap(({ from, until }) => [from, until]).map((time) => [local(time), time]));
  const moment = (/** @type {string} */ typed) => exact.get(typed) ?? (Number.isNaN(new Date(typed).getTime()) ? '' : new Date(typed).toISOString());
  const periods = draft.periods.map(({ from, until }) => untouched.get(`${from} ${until}`) ?? { from: moment(from), until: moment(until) });
  if (periods.some(({ from, until }) => !from || !until)) return { mistake: 'times' };
  if (periods.some(({ from, until }) => Date.parse(until) <= Date.parse(from))) return { mistake: 'order' };
  return { body: { ...about, periods } };
}

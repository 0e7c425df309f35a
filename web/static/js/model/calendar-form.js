// @ts-check

/**
 * @typedef {import('./notifications.js').CalendarBody} CalendarBody
 * @typedef {import('./notifications.js').Shift} Shift
 * @typedef {import('./notifications.js').Override} Override
 *
 * @typedef {object} CalendarForm A calendar as it is typed.
 * @property {string} name
 * @property {string} zone
 * @property {Override[]} overrides
 * @property {Shift[]} shifts
 * @property {boolean} rotates
 * @property {string} start
 * @property {string} turn How many days a turn is.
 * @property {string[]} order Who takes turns.
 * @property {string[]} otherwise
 */

/** @param {Shift} shift @returns {Shift} */
function typedShift({ days = [], from, to, channels }) {
  return { days, from, to: to === '24:00' ? '00:00' : to, channels };
}

/**
 * Returns a calendar as it is typed.
 *
 * @param {CalendarBody} calendar
 * @returns {CalendarForm}
 */
export function formOf({ name, time_zone: zone, overrides = [], shifts = [], rotation, otherwise }) {
  return {
    name, zone, overrides: overrides.map(({ from, until, channels }) => ({ from, until, channels })), shifts: shifts.map(typedShift),
    rotates: rotation !== undefined, start: rotation?.start ?? '', turn: String(rotation?.days ?? 7), order: rotation?.channels ?? [], otherwise,
  };
}

/**
 * The form of a new calendar.
 *
 * @param {string} zone
 * @returns {CalendarForm}
 */
export function blankCalendar(zone) {
  return formOf({ name: '', time_zone: zone, otherwise: [] });
}

/**
 * Reads a calendar that was typed.
 *
 * @param {CalendarForm} form
 * @returns {{body: CalendarBody, mistakes: {field: string, kind: 'number'}[]}}
 */
export function bodyOf(form) {
  const turn = Number(form.turn.trim());
  const wrong = form.rotates && (form.turn.trim() === '' || !Number.isInteger(turn));
  return {
    body: {
      name: form.name.trim(), time_zone: form.zone.trim(), ...(form.overrides.length > 0 && { overrides: form.overrides }),
      ...(form.shifts.length > 0 && { shifts: form.shifts.map(({ days = [], from, to, channels }) => ({ ...(days.length > 0 && { days }), from, to, channels })) }),
      ...(form.rotates && { rotation: { start: form.start, days: wrong ? 0 : turn, channels: form.order } }), otherwise: form.otherwise,
    },
    mistakes: wrong ? [{ field: 'rotation.days', kind: 'number' }] : [],
  };
}

/**
 * Whether two forms say the same.
 *
 * @param {CalendarForm} a
 * @param {CalendarForm} b
 */
export function sameCalendar(a, b) {
  if (a === b) return true;
  const [left, right] = [bodyOf(a), bodyOf(b)];
  if (left.mistakes.length + right.mistakes.length > 0) return JSON.stringify(a) === JSON.stringify(b);
  return JSON.stringify(left.body) === JSON.stringify(right.body);
}

/**
 * Returns what somebody else has made of a form, with the fields that were changed here.
 *
 * @param {CalendarForm} base
 * @param {CalendarForm} mine
 * @param {CalendarForm} theirs
 * @returns {CalendarForm}
 */
export function rebasedCalendar(base, mine, theirs) {
  const changed = Object.entries(mine).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(base[/** @type {keyof CalendarForm} */ (key)]));
  return { ...theirs, ...Object.fromEntries(changed) };
}

/** The parts of a calendar, in the order in which they are shown. */
export const calendarParts = /** @type {const} */ (['time_zone', 'overrides', 'shifts', 'rotation', 'otherwise']);

/**
 * Returns the parts in which two calendars differ.
 *
 * @param {CalendarBody} before
 * @param {CalendarBody} after
 */
export function differentParts(before, after) {
  const said = (/** @type {CalendarBody} */ calendar, /** @type {(typeof calendarParts)[number]} */ part) => JSON.stringify(bodyOf(formOf(calendar)).body[part] ?? null);
  return calendarParts.filter((part) => said(before, part) !== said(after, part));
}

// @ts-check
import { readDuration, typedDuration } from './duration-form.js';

/**
 * @typedef {import('./notifications.js').NotificationRoute} NotificationRoute
 * @typedef {import('./notifications.js').Span} Span
 * @typedef {import('./protocol.js').Severity} Severity
 * @typedef {import('./rule-form.js').TypedSpan} TypedSpan
 *
 * @typedef {object} TypedStep A step of escalation as it is typed.
 * @property {TypedSpan} after
 * @property {string[]} channels
 * @property {string[]} onCall
 *
 * @typedef {object} RouteForm A route as it is typed.
 * @property {string} id What it is called where it comes from: its name, unless it is new. It stays while the name is changed.
 * @property {string} name
 * @property {boolean} disabled
 * @property {Severity[]} severities
 * @property {string[]} areas
 * @property {string[]} types
 * @property {string[]} rules
 * @property {string[]} tenants
 * @property {string[]} labels Each a name=value.
 * @property {Span[]} times
 * @property {string} zone
 * @property {boolean} goesOn Whether the routes behind it are looked at, too.
 * @property {string[]} channels
 * @property {string[]} onCall
 * @property {string[]} groupBy
 * @property {TypedSpan} wait
 * @property {TypedSpan} interval
 * @property {TypedSpan} repeat Nothing, or 0, means never.
 * @property {TypedStep[]} steps
 * @property {Span[]} quiet
 * @property {Record<string, unknown>} more What a newer server knows of it.
 *
 * @typedef {{route: number, field: string, kind: 'number' | 'pair'}} RouteMistake What is wrong with what was typed: the field is named as in the interface.
 */

/** The parts of a route that the page knows. */
const known = ['name', 'disabled', 'severities', 'areas', 'types', 'rules', 'tenants', 'labels', 'times', 'time_zone', 'continue', 'channels', 'on_call', 'group_by', 'wait_seconds', 'interval_seconds', 'repeat_seconds', 'escalate', 'quiet'];

/** What alerts of one message may have in common. */
export const groupings = /** @type {const} */ (['rule', 'area', 'whole_area', 'type', 'device']);

/** A field of the type time has no 24:00: as an end, 00:00 of the next day is the same. @param {Span} span @returns {Span} */
function typedTimes({ days = [], from, to }) {
  return { days, from, to: to === '24:00' ? '00:00' : to };
}

/** @param {Span} typed @returns {Span} */
function timesOf({ days = [], from, to }) {
  return { ...(days.length > 0 && { days }), from, to };
}

/**
 * Returns a route as it is typed.
 *
 * @param {NotificationRoute} route
 * @param {string} [id]
 * @returns {RouteForm}
 */
export function formOf(route, id = route.name) {
  return {
    id, name: route.name, disabled: route.disabled ?? false, severities: route.severities ?? [], areas: route.areas ?? [], types: route.types ?? [], rules: route.rules ?? [], tenants: route.tenants ?? [],
    labels: Object.entries(route.labels ?? {}).map(([name, value]) => `${name}=${value}`), times: (route.times ?? []).map(typedTimes), zone: route.time_zone, goesOn: route.continue ?? false,
    channels: route.channels ?? [], onCall: route.on_call ?? [], groupBy: route.group_by, wait: typedDuration(route.wait_seconds), interval: typedDuration(route.interval_seconds),
    repeat: route.repeat_seconds > 0 ? typedDuration(route.repeat_seconds) : { text: '', unit: 60 },
    steps: (route.escalate ?? []).map((step) => ({ after: typedDuration(step.after_seconds), channels: step.channels ?? [], onCall: step.on_call ?? [] })), quiet: (route.quiet ?? []).map(typedTimes),
    more: Object.fromEntries(Object.entries(route).filter(([key]) => !known.includes(key))),
  };
}

/**
 * The form of a new route, with the times that a configured one has unless it says others.
 *
 * @param {string} id
 * @param {string} zone
 * @returns {RouteForm}
 */
export function blankRoute(id, zone) {
  return { ...formOf({ name: '', time_zone: zone, group_by: ['rule', 'area'], wait_seconds: 5, interval_seconds: 60, repeat_seconds: 4 * 3600 }), id };
}

/**
 * The form of a copy, whose name is free.
 *
 * @param {RouteForm} route
 * @param {RouteForm[]} all
 * @param {string} id
 * @returns {RouteForm}
 */
export function copyOf(route, all, id) {
  const base = route.name.replace(/-\d+$/, '').slice(0, 58);
  let number = 2;
  while (all.some(({ name }) => name === `${base}-${number}`)) number++;
  return { ...route, id, name: `${base}-${number}` };
}

/**
 * Reads a route that was typed.
 *
 * @param {RouteForm} form
 * @returns {{body: NotificationRoute, mistakes: Omit<RouteMistake, 'route'>[]}} With mistakes the body is not what was meant.
 */
export function bodyOf(form) {
  /** @type {Omit<RouteMistake, 'route'>[]} */
  const mistakes = [];
  const span = (/** @type {string} */ field, /** @type {TypedSpan} */ typed) => {
    const value = readDuration(typed);
    if (Number.isNaN(value)) mistakes.push({ field, kind: 'number' });
    return Number.isNaN(value) ? 0 : value;
  };
  const pairs = form.labels.map((label) => [label.slice(0, Math.max(0, label.indexOf('='))).trim(), label.slice(label.indexOf('=') + 1).trim()]);
  if (pairs.some(([name]) => !name) || new Set(pairs.map(([name]) => name)).size < pairs.length) mistakes.push({ field: 'labels', kind: 'pair' });
  const list = (/** @type {string} */ key, /** @type {unknown[]} */ values) => (values.length > 0 ? { [key]: values } : {});
  const body = {
    ...form.more, name: form.name.trim(), ...(form.disabled && { disabled: true }), ...list('severities', form.severities), ...list('areas', form.areas), ...list('types', form.types), ...list('rules', form.rules),
    ...list('tenants', form.tenants), ...(pairs.length > 0 && { labels: Object.fromEntries(pairs) }), ...list('times', form.times.map(timesOf)), time_zone: form.zone.trim(), ...(form.goesOn && { continue: true }),
    ...list('channels', form.channels), ...list('on_call', form.onCall), group_by: form.groupBy, wait_seconds: span('wait_seconds', form.wait), interval_seconds: span('interval_seconds', form.interval),
    repeat_seconds: span('repeat_seconds', form.repeat),
    ...list('escalate', form.steps.map((step, i) => ({ after_seconds: span(`escalate[${i}].after_seconds`, step.after), ...list('channels', step.channels), ...list('on_call', step.onCall) }))),
    ...list('quiet', form.quiet.map(timesOf)),
  };
  return { body: /** @type {NotificationRoute} */ (body), mistakes };
}

/** What was read of each form, because a form never changes: another one takes its place. @type {WeakMap<RouteForm, ReturnType<typeof bodyOf>>} */
const read = new WeakMap();

/**
 * bodyOf, which is computed once for each form.
 *
 * @param {RouteForm} form
 */
export function readRoute(form) {
  let found = read.get(form);
  if (!found) read.set(form, (found = bodyOf(form)));
  return found;
}

/**
 * Reads all routes.
 *
 * @param {RouteForm[]} forms
 * @returns {{routes: NotificationRoute[], mistakes: RouteMistake[]}}
 */
export function readRoutes(forms) {
  const all = forms.map(readRoute);
  return { routes: all.map(({ body }) => body), mistakes: all.flatMap(({ mistakes }, route) => mistakes.map((mistake) => ({ ...mistake, route }))) };
}

/**
 * Where a mistake is that the server names, such as body.routes[3].escalate[0].after_seconds; null if it is not in a route.
 *
 * @param {string} [location]
 * @returns {{route: number, field: string} | null}
 */
export function placeOf(location = '') {
  const [, route, field = ''] = /^body\.routes\[(\d+)\]\.?(.*)$/.exec(location) ?? [];
  return route === undefined ? null : { route: Number(route), field };
}

/**
 * Whether two routes say the same, whatever they are called where they come from.
 *
 * @param {RouteForm} a
 * @param {RouteForm} b
 */
export function sameRoute(a, b) {
  if (a === b) return true;
  if (a.name !== b.name) return false;
  const [left, right] = [readRoute(a), readRoute(b)];
  if (left.mistakes.length + right.mistakes.length > 0) return JSON.stringify({ ...a, id: '' }) === JSON.stringify({ ...b, id: '' });
  return JSON.stringify(left.body) === JSON.stringify(right.body);
}

/**
 * @param {RouteForm[]} a
 * @param {RouteForm[]} b
 */
export function sameRoutes(a, b) {
  return a === b || (a.length === b.length && a.every((route, i) => sameRoute(route, /** @type {RouteForm} */ (b[i]))));
}

/**
 * Returns what somebody else has made of routes, with what was changed here: routes that were changed here are as here, those that were removed here are gone, and those that
 * were added here come after the same route as here. If the order was changed here it is that of here; otherwise it is theirs.
 *
 * @param {RouteForm[]} base Of which both were made.
 * @param {RouteForm[]} mine
 * @param {RouteForm[]} theirs
 * @returns {RouteForm[]}
 */
export function rebasedRoutes(base, mine, theirs) {
  const byId = (/** @type {RouteForm[]} */ routes) => new Map(routes.map((route) => [route.id, route]));
  const [before, here, there] = [byId(base), byId(mine), byId(theirs)];
  const changed = (/** @type {RouteForm} */ route) => !before.has(route.id) || !sameRoute(route, /** @type {RouteForm} */ (before.get(route.id)));
  const merged = (/** @type {string} */ id) => {
    const [own, other] = [here.get(id), there.get(id)];
    if (own && (changed(own) || !other)) return own;
    return /** @type {RouteForm} */ (other);
  };
  const stays = (/** @type {string} */ id) => {
    const own = here.get(id);
    if (!own) return !before.has(id); // Removed here.
    return there.has(id) || changed(own); // Otherwise somebody else has removed it.
  };
  const kept = (/** @type {RouteForm[]} */ routes) => routes.filter(({ id }) => before.has(id) && here.has(id)).map(({ id }) => id);
  const moved = JSON.stringify(kept(base)) !== JSON.stringify(kept(mine));
  const [first, second] = moved ? [mine, theirs] : [theirs, mine];
  const order = first.map(({ id }) => id).filter(stays);
  let place = 0;
  for (const { id } of second) {
    const at = order.indexOf(id);
    if (at >= 0) place = at + 1;
    else if (stays(id)) order.splice(place++, 0, id);
  }
  return order.map(merged);
}

/**
 * @typedef {{kind: 'added' | 'removed' | 'moved', name: string} | {kind: 'changed', name: string, before: NotificationRoute, after: NotificationRoute}} RouteChange
 */

/**
 * Returns how routes differ from those before, by their names.
 *
 * @param {NotificationRoute[]} before
 * @param {NotificationRoute[]} after
 * @returns {RouteChange[]}
 */
export function routeChanges(before, after) {
  const [old, fresh] = [new Map(before.map((route) => [route.name, route])), new Map(after.map((route) => [route.name, route]))];
  /** @type {RouteChange[]} */
  const changes = [];
  for (const route of after) {
    const was = old.get(route.name);
    if (!was) changes.push({ kind: 'added', name: route.name });
    else if (JSON.stringify(ordered(was)) !== JSON.stringify(ordered(route))) changes.push({ kind: 'changed', name: route.name, before: was, after: route });
  }
  for (const { name } of before) if (!fresh.has(name)) changes.push({ kind: 'removed', name });
  const [left, right] = [before.filter(({ name }) => fresh.has(name)).map(({ name }) => name), after.filter(({ name }) => old.has(name)).map(({ name }) => name)];
  for (const name of movedOf(left, right)) changes.push({ kind: 'moved', name });
  return changes;
}

/**
 * The fewest names that have to be moved to make one order of another.
 *
 * @param {string[]} before
 * @param {string[]} after The same names.
 */
function movedOf(before, after) {
  const places = new Map(before.map((name, i) => [name, i]));
  /** The longest run that is in order already: for each name the one before it in the run. @type {{name: string, place: number, length: number, previous: number}[]} */
  const runs = [];
  for (const name of after) {
    const place = /** @type {number} */ (places.get(name));
    let previous = -1;
    runs.forEach((run, i) => {
      if (run.place < place && (previous < 0 || run.length > /** @type {typeof run} */ (runs[previous]).length)) previous = i;
    });
    runs.push({ name, place, length: (runs[previous]?.length ?? 0) + 1, previous });
  }
  const stay = new Set();
  let at = runs.reduce((best, run, i) => (run.length > (runs[best]?.length ?? 0) ? i : best), 0);
  for (let run = runs[at]; run; run = runs[at]) {
    stay.add(run.name);
    at = run.previous;
  }
  return after.filter((name) => !stay.has(name));
}

/** @param {unknown} value @returns {unknown} */
function ordered(value) {
  if (!value || typeof value !== 'object' || Array.isArray(value)) return Array.isArray(value) ? value.map(ordered) : value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, part]) => [key, ordered(part)]));
}

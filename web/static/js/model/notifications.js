// @ts-check

/**
 * @typedef {import('./protocol.js').Severity} Severity
 * @typedef {import('./history.js').History} History
 *
 * @typedef {object} Channel A way to people or programs.
 * @property {string} name
 * @property {string} kind
 * @property {string} language
 * @property {string[]} [recipients]
 * @property {number} pending How many deliveries wait.
 * @property {number} failed How many have failed, of those that are kept.
 * @property {number} refused How many were refused, of those that are kept.
 *
 * @typedef {{days?: import('./maintenance.js').Day[], from: string, to: string}} Span
 * @typedef {{after_seconds: number, channels?: string[], on_call?: string[]}} Step
 *
 * @typedef {object} NotificationRoute Who is notified of which alerts.
 * @property {string} name
 * @property {boolean} [disabled] Whether it takes no alerts for the time being.
 * @property {Severity[]} [severities]
 * @property {string[]} [areas]
 * @property {string[]} [types]
 * @property {string[]} [rules]
 * @property {string[]} [tenants]
 * @property {Record<string, string>} [labels]
 * @property {Span[]} [times]
 * @property {string} time_zone
 * @property {boolean} [continue]
 * @property {string[]} [channels]
 * @property {string[]} [on_call]
 * @property {string[]} group_by
 * @property {number} wait_seconds
 * @property {number} interval_seconds
 * @property {number} repeat_seconds
 * @property {Step[]} [escalate]
 * @property {Span[]} [quiet]
 *
 * @typedef {{from: string, until: string, channels: string[]}} Turn Who is on call, and when.
 *
 * @typedef {object} DecidedPart What is decided of the routes, or of a calendar.
 * @property {number} version 0 if nobody has decided anything.
 * @property {'configuration' | 'people'} decided_by
 * @property {boolean} in_force Whether the program that sends goes by it.
 * @property {string} [reason] Why it does not, in the server's words.
 * @property {string} [reason_code] Why it does not: no_program, older_version or not_taken_over.
 *
 * @typedef {{from: string, until: string, channels: string[]}} Override Who is on call instead of everybody else, by the clocks of the calendar.
 * @typedef {Span & {channels: string[]}} Shift
 *
 * @typedef {object} CalendarBody Who is on call, as people decide it.
 * @property {string} name
 * @property {string} time_zone
 * @property {Override[]} [overrides]
 * @property {Shift[]} [shifts]
 * @property {{start: string, days: number, channels: string[]}} [rotation]
 * @property {string[]} otherwise
 *
 * @typedef {CalendarBody & DecidedPart & {configured: boolean, next: Turn[]}} OnCallCalendar Next is who is on call from now on, for two weeks.
 *
 * @typedef {{types?: string[], from: string}} Uncovered Critical alerts that no route takes: of which device types, and from when on.
 *
 * @typedef {{program: string, host: string, file?: string, since: string}} Origin Whose configuration it is.
 *
 * @typedef {DecidedPart & {items: NotificationRoute[], calendars: OnCallCalendar[], configured_routes?: NotificationRoute[], decidable?: boolean, time_zone?: string, origin?: Origin, missing?: string[],
 *   uncovered?: Uncovered}} Routes Configured routes are those of the file, if people have decided otherwise.
 *
 * @typedef {object} TriedAlert An alert of which it is asked who would be notified.
 * @property {Severity} severity
 * @property {string} [device_id]
 * @property {string} [device_type]
 * @property {string} [area]
 * @property {string} [alert_type]
 * @property {string} [at]
 *
 * @typedef {{channel: string, recipient?: string}} Target
 * @typedef {{route: string, at: string, notified: Target[], escalate: {at: string, notified: Target[]}[]}} TriedRoute What a route would do about it.
 * @typedef {{at: string, device_type?: string, area?: string, labels?: Record<string, string>, routes: TriedRoute[]}} Tried
 *
 * @typedef {'pending' | 'sent' | 'failed' | 'refused' | 'merged'} DeliveryState
 * @typedef {'raised' | 'changed' | 'repeated' | 'escalated' | 'over' | 'digest' | 'test' | 'from_memory'} DeliveryKind
 *
 * @typedef {object} Delivery
 * @property {string} id
 * @property {string} channel
 * @property {string} [recipient]
 * @property {DeliveryKind} kind
 * @property {Severity} severity
 * @property {DeliveryState} state
 * @property {string} created
 * @property {string} due
 * @property {string} [done]
 * @property {number} attempts
 * @property {string} [outcome]
 * @property {{groups: NotifiedGroup[] | null, omitted?: number, merged?: number}} message
 *
 * @typedef {object} NotifiedGroup
 * @property {string} route
 * @property {Severity} severity
 * @property {string} [alert_type]
 * @property {string} [area]
 * @property {string} [device_type]
 * @property {string} [device_id]
 * @property {number} open
 * @property {number} over
 * @property {{id: string, alert_type: string, device_id: string, severity: Severity, onset: string, cleared?: string}[]} alerts
 *
 * @typedef {{items: Delivery[], next?: string, pending: number, failed: number, refused: number}} DeliveryPage
 */

/** How many deliveries one page has. */
const pageSize = 50;

/**
 * @param {History} history
 * @param {AbortSignal} [signal]
 * @returns {Promise<{items: Channel[]}>}
 */
export function channels(history, signal) {
  return history.get('notifications/channels', {}, signal);
}

/**
 * @param {History} history
 * @param {AbortSignal} [signal]
 * @returns {Promise<Routes>}
 */
export function routes(history, signal) {
  return history.get('notifications/routes', {}, signal);
}

/**
 * Returns a page of the deliveries, newest first.
 *
 * @param {History} history
 * @param {{channel: string, state: string, cursor: string}} query What is empty does not narrow.
 * @param {AbortSignal} [signal]
 * @returns {Promise<DeliveryPage>}
 */
export function deliveries(history, query, signal) {
  const given = Object.entries(query).filter(([, value]) => value);
  return history.get('notifications/deliveries', { ...Object.fromEntries(given), limit: String(pageSize) }, signal);
}

/**
 * Sends a message again; the answer comes once it has been tried, or after some seconds.
 *
 * @param {History} history
 * @param {string} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<Delivery>}
 */
export function resend(history, id, signal) {
  return history.ask(`notifications/deliveries/${encodeURIComponent(id)}/resend`, { method: 'POST', signal: signal ?? null });
}

/**
 * Sends a test message to each recipient of a channel; the answer comes once they have been tried, or after some seconds.
 *
 * @param {History} history
 * @param {string} channel
 * @param {AbortSignal} [signal]
 * @returns {Promise<{items: Delivery[]}>}
 */
export function testChannel(history, channel, signal) {
  return history.ask('notifications/test', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ channel }), signal: signal ?? null });
}

/**
 * Asks who would be notified of an alert: by other routes and calendars than those that are decided, if they are given.
 *
 * @param {History} history
 * @param {TriedAlert & {routes?: NotificationRoute[], calendars?: CalendarBody[]}} what
 * @param {AbortSignal} [signal]
 * @returns {Promise<Tried>}
 */
export function tryRoutes(history, what, signal) {
  return history.ask('notifications/try', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(what), signal: signal ?? null });
}

/**
 * Asks who would be on call by a calendar, and who is by the one of its name that there is.
 *
 * @param {History} history
 * @param {CalendarBody} calendar
 * @param {AbortSignal} [signal]
 * @returns {Promise<{next: Turn[], in_force?: Turn[]}>}
 */
export function tryCalendar(history, calendar, signal) {
  return history.ask('notifications/calendars/try', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ calendar }), signal: signal ?? null });
}

/**
 * The address of the page of a calendar, below the application's root; of a new one if the name is empty.
 *
 * @param {string} name
 */
export function calendarPath(name) {
  return name ? `notifications/calendar?${new URLSearchParams({ name })}` : 'notifications/calendar';
}

/**
 * The turns that are not over, the first of them from now on.
 *
 * @param {Turn[]} turns
 * @param {number} now
 * @returns {{from: number, until: number, channels: string[]}[]}
 */
export function turnsFrom(turns, now) {
  return turns.map(({ from, until, channels: on }) => ({ from: Math.max(Date.parse(from), now), until: Date.parse(until), channels: on })).filter(({ until }) => until > now);
}

/**
 * Whether the receiver has not taken a message, and it is not tried again by itself.
 *
 * @param {Delivery} delivery
 */
export function notTaken({ state }) {
  return state === 'failed' || state === 'refused';
}

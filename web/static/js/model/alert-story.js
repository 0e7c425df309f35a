// @ts-check

/**
 * @typedef {import('./history.js').AlertEvent} AlertEvent
 *
 * @typedef {'raised' | 'cleared' | 'reset' | 'acknowledged' | 'shelved' | 'out_of_service' | 'by_design' | 'by_parent' | 'suppression_ended' | 'latched' | 'again' | 'waived' | 'comment' | 'changed' | 'value'} Happening
 *
 * @typedef {{what: Happening, event: AlertEvent}} Chapter
 */

/**
 * Says what each event of an alert is. The server keeps the state after each event; what has changed since the one before is what happened.
 *
 * @param {AlertEvent[]} events Oldest first.
 * @returns {Chapter[]}
 */
export function storyOf(events) {
  return events.map((event, i) => ({ what: happening(events[i - 1], event), event }));
}

/**
 * @param {AlertEvent | undefined} before
 * @param {AlertEvent} event
 * @returns {Happening}
 */
function happening(before, event) {
  const unseen = (/** @type {AlertEvent} */ { alarm_state: life }) => life.endsWith('unacknowledged');
  const latched = (/** @type {AlertEvent} */ { alarm_state: life }) => life.startsWith('latched');
  const waives = (/** @type {AlertEvent} */ { reason = '' }) => ['acknowledgement_waived', 'device_forgotten'].includes(reason);
  if (event.state === 'cleared' && before?.state !== 'cleared') return event.reason === 'reset' ? 'reset' : 'cleared';
  if (!before) return 'raised';
  if (waives(event) && !waives(before)) return 'waived';
  if (unseen(before) && !unseen(event)) return 'acknowledged';
  if (suppressedAnew(before, event)) return event.suppressed ?? 'suppression_ended';
  if (latched(event) !== latched(before)) return latched(event) ? 'latched' : 'again';
  if (event.reason === 'rule_changed') return 'changed';
  return event.comment ? 'comment' : 'value';
}

/**
 * Whether something else suppresses the alert than before, or somebody has decided anew about it. Events of before do not say what it is.
 *
 * @param {AlertEvent} before
 * @param {AlertEvent} event
 */
function suppressedAnew(before, event) {
  const same = (/** @type {keyof AlertEvent} */ key) => before[key] === event[key];
  if (!same('suppressed') || !same('suppressed_until')) return true;
  if (before.suppressed && !before.suppressed_by) return event.state === 'updated' && Boolean(event.suppressed_by) && !event.comment;
  return !same('suppressed_by') || !same('suppressed_reason') || !same('suppressed_actor');
}

/** How much time before and after an alert is shown, at least, in milliseconds, and as a part of its length. */
const leastMargin = 5 * 60_000;
const margin = 0.5;

/** Of an alert that is older than this the beginning is shown, in milliseconds. */
const longest = 7 * 86_400_000;

/**
 * Returns the time that a chart of an alert shows: the alert with a margin on both sides, but nothing of the future.
 *
 * @param {{onset: string, cleared_at?: string | undefined}} alert
 * @param {number} now
 * @returns {{from: number, to: number, span: {from: number, to: number}}} Milliseconds since the epoch; span is the alert's own time.
 */
export function alertTime({ onset, cleared_at: cleared }, now) {
  const from = Date.parse(onset);
  const to = Math.max(from, Math.min(cleared ? Date.parse(cleared) : now, from + longest));
  const room = Math.max(leastMargin, (to - from) * margin);
  return { from: from - room, to: Math.max(to, Math.min(to + room, now)), span: { from, to } };
}

/**
 * Returns the address of a procedure if it is one that a browser may be sent to; empty if not.
 *
 * @param {string | undefined} procedure
 */
export function procedureAddress(procedure) {
  if (!procedure || !URL.canParse(procedure)) return '';
  const { protocol, href } = new URL(procedure);
  return protocol === 'http:' || protocol === 'https:' ? href : '';
}

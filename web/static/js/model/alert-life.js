// @ts-check
import { severities } from './protocol.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').LifeState} LifeState
 */

/**
 * Where an alert is in its life. Servers of before have events without it.
 *
 * @param {Alert} alert
 * @returns {LifeState}
 */
export function lifeOf({ alarm_state: life, state, acknowledged_at: acknowledged, historical }) {
  if (life) return life;
  if (state !== 'cleared') return state === 'acknowledged' || acknowledged ? 'acknowledged' : 'unacknowledged';
  return acknowledged || historical ? 'normal' : 'returned_unacknowledged';
}

/**
 * Whether nobody has acknowledged an alert, whether or not it still stands.
 *
 * @param {Alert} alert
 */
export function unacknowledged(alert) {
  return lifeOf(alert).endsWith('unacknowledged');
}

/**
 * Whether an alert asks for somebody: nobody has acknowledged it, and nobody has decided that it may wait.
 *
 * @param {Alert} alert
 */
export function asksForSomebody(alert) {
  return unacknowledged(alert) && !alert.suppressed;
}

/**
 * Whether an alert has just been raised, so that people are to be notified.
 *
 * @param {Alert} alert An event that is news.
 */
export function justRaised(alert) {
  return alert.state === 'raised' && !alert.historical && !alert.suppressed;
}

/**
 * Where the device of an alert belongs: as the registry says, else its location as a path.
 *
 * @param {Alert} alert
 */
export function areaOf({ area, location = {} }) {
  const { building, floor, room } = location;
  return area || [building, floor, room].filter((part) => part !== undefined && part !== '' && part !== 0).join('/');
}

/** What alerts are ordered by, computed once for each event. @type {WeakMap<Alert, {rank: number, onset: number}>} */
const orders = new WeakMap();

/** @param {Alert} alert */
function orderOf(alert) {
  let order = orders.get(alert);
  if (!order) {
    const life = lifeOf(alert);
    const acknowledged = life.endsWith('unacknowledged') ? 0 : 1;
    const returned = life === 'returned_unacknowledged' ? 1 : 0;
    const rank = (((alert.suppressed ? 1 : 0) * 2 + acknowledged) * severities.length + severities.indexOf(alert.severity)) * 2 + returned;
    orders.set(alert, (order = { rank, onset: Date.parse(alert.onset) }));
  }
  return order;
}

/**
 * Compares alerts so that what asks for somebody comes first: those that nobody has acknowledged, the most urgent ones, those that still
 * stand, the newest. What is shelved or out of service comes last.
 *
 * @param {Alert} a
 * @param {Alert} b
 */
export function byUrgency(a, b) {
  const [one, other] = [orderOf(a), orderOf(b)];
  return one.rank - other.rank || other.onset - one.onset || (a.id < b.id ? -1 : 1);
}

// @ts-check
import { areaOf, asksForSomebody, byUrgency, lifeOf, unacknowledged } from './alert-life.js';
import { severities } from './protocol.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').Severity} Severity
 *
 * @typedef {'unacknowledged' | 'acknowledged' | 'returned' | 'latched' | 'suppressed'} Handling How far people are with an alert.
 *
 * @typedef {object} AlertQuery What is empty does not narrow.
 * @property {Handling | ''} state
 * @property {Severity | ''} severity
 * @property {string} type
 * @property {string} area Also those below it.
 * @property {string} rule
 * @property {string} search A part of any of its words, in either case.
 *
 * @typedef {'' | 'rule' | 'area' | 'both'} Grouping
 *
 * @typedef {object} AlertGroup Alerts that have something in common.
 * @property {string} key
 * @property {string} [rule] What they have in common, as far as they are grouped by it.
 * @property {string} [area]
 * @property {Alert[]} alerts The most urgent first.
 * @property {number} unacknowledged
 * @property {Severity} worst
 * @property {number} devices
 */

/** @type {readonly Handling[]} */
export const handlings = ['unacknowledged', 'acknowledged', 'returned', 'latched', 'suppressed'];

/** Those of ISA-18.2: one that has returned unacknowledged is in a state of its own. @type {Record<Handling, (alert: Alert) => boolean>} */
const handled = {
  unacknowledged: (alert) => asksForSomebody(alert) && !handled.returned(alert),
  acknowledged: (alert) => !alert.suppressed && !unacknowledged(alert),
  returned: (alert) => !alert.suppressed && lifeOf(alert) === 'returned_unacknowledged',
  latched: (alert) => lifeOf(alert).startsWith('latched'),
  suppressed: (alert) => alert.suppressed !== undefined,
};

/**
 * Returns what an address asks for.
 *
 * @param {{get: (name: string) => string}} address
 * @returns {AlertQuery}
 */
export function addressedAlerts(address) {
  return {
    state: handlings.find((one) => one === address.get('state')) ?? '',
    severity: severities.find((one) => one === address.get('severity')) ?? '',
    type: address.get('type'), area: address.get('area'), rule: address.get('rule'), search: address.get('search'),
  };
}

/** Whether something narrows the list. @param {AlertQuery} query */
export function narrowsAlerts(query) {
  return Object.values(query).some(Boolean);
}

/**
 * Whether an area is another one, or below it.
 *
 * @param {string} area
 * @param {string} above
 */
function within(area, above) {
  return area === above || area.startsWith(`${above}/`);
}

/**
 * Returns the alerts that match, what asks for somebody first.
 *
 * @param {Alert[]} alerts
 * @param {AlertQuery} query
 * @param {(alert: Alert) => string} textOf All of an alert's words, in lower case.
 */
export function selectedAlerts(alerts, { state, severity, type, area, rule, search }, textOf) {
  const text = search.toLowerCase();
  const wanted = (/** @type {Alert} */ alert) =>
    (!severity || alert.severity === severity) &&
    (!type || alert.device_type === type) &&
    (!rule || alert.alert_type === rule) &&
    (!area || within(areaOf(alert), area)) &&
    (!state || handled[state](alert)) &&
    (!text || textOf(alert).includes(text));
  return alerts.filter(wanted).sort(byUrgency);
}

/**
 * Counts alerts by how far people are with them; one may count more than once.
 *
 * @param {Iterable<Alert>} alerts
 */
export function countHandlings(alerts) {
  const counts = { unacknowledged: 0, acknowledged: 0, returned: 0, latched: 0, suppressed: 0 };
  for (const alert of alerts) for (const one of handlings) if (handled[one](alert)) counts[one]++;
  return counts;
}

/**
 * Puts alerts together that are of one rule, of one area, or of both: those with the most urgent alert first, then the largest.
 *
 * @param {Alert[]} alerts In their order.
 * @param {Exclude<Grouping, ''>} by
 * @returns {AlertGroup[]}
 */
export function groupedAlerts(alerts, by) {
  /** @type {Map<string, {group: AlertGroup, ids: Set<string>}>} */
  const groups = new Map();
  for (const alert of alerts) {
    const rule = by === 'area' ? undefined : alert.alert_type;
    const area = by === 'rule' ? undefined : areaOf(alert);
    const key = JSON.stringify([rule, area]);
    let found = groups.get(key);
    if (!found) {
      /** @type {AlertGroup} */
      const group = { key, alerts: [], unacknowledged: 0, worst: alert.severity, devices: 0, ...(rule !== undefined && { rule }), ...(area !== undefined && { area }) };
      groups.set(key, (found = { group, ids: new Set() }));
    }
    const { group, ids } = found;
    group.alerts.push(alert);
    if (asksForSomebody(alert)) group.unacknowledged++;
    if (severities.indexOf(alert.severity) < severities.indexOf(group.worst)) group.worst = alert.severity;
    group.devices = ids.add(alert.device_id).size;
  }
  const quiet = (/** @type {AlertGroup} */ group) => (group.unacknowledged > 0 ? 0 : 1);
  return [...groups.values()].map(({ group }) => group).sort((a, b) =>
    quiet(a) - quiet(b) || severities.indexOf(a.worst) - severities.indexOf(b.worst) || b.alerts.length - a.alerts.length || (a.key < b.key ? -1 : 1));
}

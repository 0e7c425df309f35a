// @ts-check

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').AlertRule} AlertRule
 *
 * @typedef {Pick<AlertRule, 'severity' | 'threshold' | 'below'> & {own?: boolean}} Threshold Own: the device's, in the place of its type's.
 */

/** A threshold that is further from all values than so many times their range is left out: it would make their line flat. */
const reach = 1.5;

/**
 * Returns the thresholds of a device type, each once: those of the rules, or a device's own in their place, and those of open alerts, whose
 * thresholds may have been others when they were raised. A rule that is not among these may judge something else than a value.
 *
 * @param {readonly AlertRule[]} rules
 * @param {string} type
 * @param {Alert[]} [alerts]
 * @param {Record<string, number>} [limits] The device's own thresholds, by the names of the rules.
 * @returns {Threshold[]}
 */
export function thresholdsOf(rules, type, alerts = [], limits = {}) {
  /** @type {Map<string, Threshold>} */
  const found = new Map();
  const known = rules.filter((rule) => rule.device_type === type);
  const valued = alerts.filter(({ alert_type: name }) => known.some((rule) => rule.alert_type === name));
  const own = known.map((rule) => (Object.hasOwn(limits, rule.alert_type) ? { ...rule, threshold: Number(limits[rule.alert_type]), own: true } : rule));
  for (const { severity, threshold, below = false, own: mine = false } of /** @type {Threshold[]} */ ([...own, ...valued])) {
    const key = `${threshold} ${below}`;
    if (!found.has(key)) found.set(key, { severity, threshold, below, ...(mine && { own: true }) });
  }
  return [...found.values()];
}

/**
 * Returns those thresholds that values come near to.
 *
 * @param {Threshold[]} thresholds
 * @param {(number | null)[]} values
 */
export function nearThresholds(thresholds, values) {
  const known = values.filter((value) => value !== null);
  const low = known.reduce((a, b) => Math.min(a, b), Infinity);
  const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  const room = reach * (high - low);
  return thresholds.filter(({ threshold }) => threshold >= low - room && threshold <= high + room);
}

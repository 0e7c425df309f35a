// @ts-check

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').AlertRule} AlertRule
 * @typedef {import('./history.js').DeviceRule} DeviceRule
 *
 * @typedef {Pick<AlertRule, 'severity' | 'threshold' | 'below'> & {own?: boolean}} Threshold Own: the device's, in the place of its type's.
 */

/** A threshold that is further from all values than so many times their range is left out: it would make their line flat. */
const reach = 1.5;

/**
 * Returns the thresholds of rules that compare values, each once, and those of open alerts of these rules, which may have been others when they were
 * raised. An alert of another rule may judge something else than a value.
 *
 * @param {readonly (Threshold & {alert_type: string})[]} rules
 * @param {readonly Alert[]} [alerts]
 * @returns {Threshold[]}
 */
export function thresholdsOf(rules, alerts = []) {
  /** @type {Map<string, Threshold>} */
  const found = new Map();
  const valued = alerts.filter(({ alert_type: name }) => rules.some((rule) => rule.alert_type === name));
  for (const { severity, threshold, below = false, own = false } of /** @type {Threshold[]} */ ([...rules, ...valued])) {
    const key = `${threshold} ${below}`;
    if (!found.has(key)) found.set(key, { severity, threshold, below, ...(own && { own: true }) });
  }
  return [...found.values()];
}

/**
 * Returns the rules of a device that compare its values.
 *
 * @param {readonly DeviceRule[]} [rules] All that watch it.
 * @returns {(Threshold & {alert_type: string})[]}
 */
export function comparing(rules = []) {
  return rules.flatMap(({ alert_type, below = false, kind, severity, threshold, usual_threshold: usual }) => (
    kind === 'threshold' && threshold !== undefined ? [{ alert_type, severity, threshold, below, own: usual !== undefined }] : []
  ));
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

// @ts-check

/**
 * @typedef {import('./protocol.js').Severity} Severity
 *
 * @typedef {object} Scope Selects the devices that match all that is given.
 * @property {string} [area]
 * @property {Record<string, string>} [labels]
 * @property {string[]} [devices]
 *
 * @typedef {object} Condition What values violate.
 * @property {string} kind
 * @property {boolean} [below]
 * @property {number} [threshold]
 * @property {number} [hysteresis]
 * @property {number} [within_seconds]
 * @property {number} [limit]
 * @property {number} [last]
 * @property {Record<string, {limit: number, severity?: Severity}>} [levels]
 *
 * @typedef {Scope & {device_type?: string, except?: Scope[], condition: Condition, for_seconds?: number, clear_for_seconds?: number, severity: Severity,
 *   latch?: boolean, text?: string, text_en?: string, procedure?: string}} RuleBody What people decide about a rule.
 *
 * @typedef {RuleBody & {name: string, version: number, origin: 'configuration' | 'decided'}} ShownRule
 */

/** The kinds whose threshold is one of values. */
const valued = ['threshold', 'levels', 'average', 'maximum', 'minimum'];

/**
 * Whether the threshold of a rule is a value of the device, rather than a number of values or a change.
 *
 * @param {{condition: Pick<Condition, 'kind'>}} rule
 */
export function judgesValues({ condition }) {
  return valued.includes(condition.kind);
}

/**
 * The rule that raises alerts of a type: each level of a rule has a type of its own.
 *
 * @param {string} type The alert_type.
 */
export function ruleOfAlert(type) {
  return type.replace(/\.(?:low_low|low|high|high_high)$/, '');
}

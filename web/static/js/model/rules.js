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
 * @property {Partial<Record<LevelName, {limit: number, severity?: Severity}>>} [levels]
 * @property {string} [expression]
 *
 * @typedef {Scope & {device_type?: string, except?: Scope[], condition: Condition, for_seconds?: number, clear_for_seconds?: number, severity: Severity,
 *   latch?: boolean, disabled?: boolean, text?: string, text_en?: string, procedure?: string}} RuleBody What people decide about a rule.
 *
 * @typedef {RuleBody & {name: string, version: number, origin: 'configuration' | 'decided', failing_devices?: number, failing?: RuleFailures, medians?: RuleMedians,
 *   points?: RulePoints}} ShownRule
 * @typedef {{devices: number, items: {device_id: string, since: string, value: number, message: string, message_en: string, alert: string}[]}} RuleFailures Where a
 *   rule cannot judge what devices send, the first devices.
 * @typedef {object} RuleMedians The medians in force with which a rule compares values, and the devices that have none.
 * @property {number} groups
 * @property {{device_type: string, area: string, median: number, devices: number, watched: number, newest: string, until: string}[]} items The first of them.
 * @property {number} devices_without
 * @property {{device_id: string, area: string, reason: 'few_devices' | 'many_groups' | 'none_in_force', online: number}[]} without The first of these devices.
 * @typedef {object} RulePoints The points of machines that an expression names, as they are in force, and the devices that lack one.
 * @property {string[]} names
 * @property {number} machines
 * @property {number} found
 * @property {{area: string, point: string, device_id: string, device_type: string, value: number, last_seen: string, age_seconds: number, until: string, watched: number}[]} items The first of them.
 * @property {number} devices_without
 * @property {{device_id: string, area: string, missing: MissingPoint[]}[]} without The first of these devices.
 * @typedef {object} MissingPoint
 * @property {string} point
 * @property {'no_area' | 'no_such_point' | 'several' | 'never_sent' | 'offline' | 'not_good' | 'many_points' | 'none_in_force'} reason
 * @property {number} [devices] How many devices match alike.
 * @property {string} [device_id] Of the device that is the point.
 * @property {string} [last_seen]
 * @typedef {import('./decisions.js').Decided<ShownRule>} DecidedRule
 * @typedef {import('./decisions.js').DecidedVersion<ShownRule>} RuleVersion
 *
 * @typedef {object} RuleQuery What narrows the list of rules; what is empty does not.
 * @property {string} search A part of its name, in either case.
 * @property {string} kind
 * @property {Severity | ''} severity
 * @property {string} type
 * @property {string} state One of ruleStates.
 *
 * @typedef {object} Tally The alerts that one version of a rule would have raised.
 * @property {number} alerts
 * @property {number} devices How many devices have raised them.
 * @property {number} open At the end.
 * @property {number} alone Those that overlap none of the other version.
 * @property {number} per_day
 * @property {number} mean_seconds
 * @property {number} longest_seconds
 * @property {number} chattering How many devices chatter.
 * @property {number} fleeting
 * @property {number} [failed] On how many devices the condition has failed.
 * @property {{day: string, alerts: number}[]} days
 * @property {{device_id: string, alerts: number, chattering?: boolean}[]} most
 *
 * @typedef {object} TriedAlert
 * @property {string} device_id
 * @property {string} alert_type
 * @property {'both' | 'tried' | 'in_force'} by
 * @property {string} raised_at
 * @property {string} [cleared_at]
 * @property {number} current_value
 * @property {number} threshold
 * @property {string} [unit]
 *
 * @typedef {object} Trial What a rule would have raised.
 * @property {string} from
 * @property {string} to
 * @property {number} devices
 * @property {number} devices_selected
 * @property {number} readings
 * @property {'readings' | 'time' | 'devices'} [stopped]
 * @property {Tally} tried
 * @property {{every_seconds: number, groups: number, without: number}} [medians] How the medians were found that values are compared with.
 * @property {{every_seconds: number, machines: number, without: number, devices_without_area?: number}} [points] How the points of machines were found that an expression names.
 * @property {Tally} [in_force]
 * @property {TriedAlert[]} items
 * @property {number} left_out
 *
 * @typedef {object} RulesImported What a file of rules has changed, or would change.
 * @property {boolean} dry_run
 * @property {number} rules
 * @property {number} unchanged
 * @property {boolean} in_force
 * @property {{name: string, change: 'added' | 'changed' | 'deleted', before?: ShownRule, after?: ShownRule}[]} items
 * @property {Record<string, number>} [versions] Those of the rules at a dry run.
 */

/** Every kind of condition that people choose among. */
export const kinds = /** @type {const} */ (['threshold', 'levels', 'rise', 'fall', 'stuck', 'average', 'maximum', 'minimum', 'count', 'fraction', 'of_last', 'deviation', 'no_data', 'expression']);

/** The names of levels, the lowest first; values below the first two violate them. */
export const levelNames = /** @type {const} */ (['low_low', 'low', 'high', 'high_high']);

/** @typedef {typeof levelNames[number]} LevelName */

/** What the list of rules is narrowed to. */
export const ruleStates = /** @type {const} */ (['enabled', 'disabled', 'open', 'failing']);

/** The parts of a rule in which versions of it are compared, in the order in which they are shown. */
export const ruleParts = /** @type {const} */ ([
  'condition', 'for_seconds', 'clear_for_seconds', 'severity', 'device_type', 'area', 'labels', 'devices', 'except', 'latch', 'disabled', 'text', 'text_en', 'procedure',
]);

/** @typedef {typeof ruleParts[number]} RulePart */

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
 * Whether the rule is the one for silent devices, which has no condition that could be changed.
 *
 * @param {{condition: Pick<Condition, 'kind'>}} rule
 */
export function judgesSilence({ condition }) {
  return condition.kind === 'offline';
}

/**
 * The rule that raises alerts of a type: each level of a rule has a type of its own, and so have the alerts that say that a rule fails.
 *
 * @param {string} type The alert_type.
 */
export function ruleOfAlert(type) {
  return type.replace(/\.(?:low_low|low|high|high_high|rule_failed)$/, '');
}

/**
 * Returns the address of a rule's own page, below the application's root.
 *
 * @param {string} name
 */
export function rulePath(name) {
  return `rules/${encodeURIComponent(name)}`;
}

/**
 * Counts the alerts that are open by the rules that have raised them.
 *
 * @param {Iterable<import('./protocol.js').Alert>} alerts
 * @returns {Map<string, number>}
 */
export function openByRule(alerts) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { alert_type: type, state } of alerts) {
    if (state === 'cleared') continue;
    const rule = ruleOfAlert(type);
    counts.set(rule, (counts.get(rule) ?? 0) + 1);
  }
  return counts;
}

/**
 * Returns the rules that match.
 *
 * @param {ShownRule[]} rules
 * @param {RuleQuery} query
 * @param {Map<string, number>} open How many alerts of each rule are open.
 */
export function selectedRules(rules, { search, kind, severity, type, state }, open) {
  const text = search.trim().toLowerCase();
  return rules.filter((rule) =>
    (!text || [rule.name, rule.area, rule.text, rule.text_en, rule.condition.expression].some((words) => words?.toLowerCase().includes(text))) &&
    (!kind || rule.condition.kind === kind) &&
    (!severity || rule.severity === severity) &&
    (!type || rule.device_type === type) &&
    (!state || inState(rule, state, open)));
}

/**
 * @param {ShownRule} rule
 * @param {string} state One of ruleStates.
 * @param {Map<string, number>} open
 */
function inState(rule, state, open) {
  if (state === 'open') return open.has(rule.name);
  if (state === 'failing') return (rule.failing_devices ?? 0) > 0;
  return (state === 'disabled') === (rule.disabled === true);
}

/**
 * A text that two values have in common if they say the same, in whatever order their keys are. What is false, 0 or empty says the same as what is absent.
 *
 * @param {unknown} value
 */
function said(value) {
  return JSON.stringify(value, (_, part) => {
    if (!part || part === '') return undefined;
    if (typeof part !== 'object' || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/**
 * Returns the parts in which two versions of a rule differ.
 *
 * @param {Partial<RuleBody>} before
 * @param {Partial<RuleBody>} after
 */
export function differentParts(before, after) {
  return ruleParts.filter((part) => said(before[part]) !== said(after[part]));
}

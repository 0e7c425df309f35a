// @ts-check

/**
 * @typedef {import('./source-rules.js').Rule} Rule
 *
 * @typedef {object} SourceMap The map of a source that was decided last, or else that of the configuration.
 * @property {number} version 0 if nobody has decided anything.
 * @property {'configuration' | 'decided'} origin
 * @property {Rule[]} rules
 * @property {boolean} in_force Whether the program that runs the source maps by it.
 * @property {string} [reason] Why it does not.
 *
 * @typedef {object} MapVersion What was decided once.
 * @property {number} version
 * @property {'configuration' | 'decided'} origin
 * @property {Rule[]} rules
 * @property {string} time
 * @property {string} actor
 * @property {string} action put or delete; adopt or repeat if nobody has, because a database was restored.
 *
 * @typedef {object} RuleChanges What becomes of rules.
 * @property {Set<number>} added The indexes of those that were not there before.
 * @property {Rule[]} removed
 * @property {boolean} moved Whether those that stay are in another order.
 */

/**
 * Returns a text that two rules have in common if they say the same, in whatever order their keys are.
 *
 * @param {Rule} rule
 */
function ruleKey(rule) {
  return JSON.stringify(rule, (_, value) => (value && typeof value === 'object' && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value));
}

/**
 * @param {Rule} a
 * @param {Rule} b
 */
export function sameRule(a, b) {
  return a === b || ruleKey(a) === ruleKey(b);
}

/**
 * Whether two rules are for the same value.
 *
 * @param {Rule} a
 * @param {Rule} b
 */
export function sameValue(a, b) {
  return a.topic === b.topic && a.measurement === b.measurement && a.field === b.field;
}

/**
 * Whether two maps say the same. The order of rules counts.
 *
 * @param {Rule[]} a
 * @param {Rule[]} b
 */
export function sameRules(a, b) {
  return a === b || (a.length === b.length && a.every((rule, i) => sameRule(rule, /** @type {Rule} */ (b[i]))));
}

/**
 * Returns which rules of after are not in before, and which of before are not in after. A rule that is there twice counts twice.
 *
 * @param {Rule[]} before
 * @param {Rule[]} after
 * @returns {RuleChanges}
 */
export function changesOf(before, after) {
  /** @type {Map<string, number>} */
  const left = new Map();
  for (const key of before.map(ruleKey)) left.set(key, (left.get(key) ?? 0) + 1);
  const isLeft = (/** @type {Rule} */ rule) => {
    const key = ruleKey(rule);
    const count = left.get(key) ?? 0;
    if (count > 0) left.set(key, count - 1);
    return count > 0;
  };
  const added = new Set(after.flatMap((rule, i) => (isLeft(rule) ? [] : [i])));
  const removed = before.filter(isLeft);
  const moved = !sameRules(before.filter((rule) => !removed.includes(rule)), after.filter((_, i) => !added.has(i)));
  return { added, removed, moved };
}

/**
 * Returns what somebody else has made of rules, with what was changed here: rules that were added here come after the same rule as here, or
 * first, and those that were removed here are gone. The order of the others is theirs.
 *
 * @param {Rule[]} base Of which both were made.
 * @param {Rule[]} mine
 * @param {Rule[]} theirs
 */
export function rebased(base, mine, theirs) {
  const { added, removed } = changesOf(base, mine);
  const gone = removed.map(ruleKey);
  const made = theirs.map((rule) => ({ key: ruleKey(rule), rule })).filter(({ key }) => !gone.includes(key));
  let place = 0;
  for (const [i, rule] of mine.entries()) {
    const key = ruleKey(rule);
    const at = made.findIndex((one) => one.key === key);
    if (at >= 0) place = at + 1;
    else if (added.has(i)) made.splice(place++, 0, { key, rule });
  }
  return made.map(({ rule }) => rule);
}

/**
 * Returns which rule the server refuses and why; the rule is -1 if it does not say which one.
 *
 * @param {import('./history.js').HistoryError} error
 * @returns {{rule: number, reason: string}}
 */
export function refusalOf(error) {
  /** @type {import('./history.js').Mistake} */
  const mistake = error.mistakes[0] ?? { message: error.message };
  const [, place, key = ''] = /^body\.rules\[(\d+)\]\.?(.*)$/.exec(mistake.location ?? '') ?? [];
  if (place !== undefined) return { rule: Number(place), reason: [key, mistake.message].filter(Boolean).join(': ') };
  const [, index, reason = ''] = /^rule (\d+): ([^]*)$/.exec(mistake.message) ?? [];
  return index === undefined ? { rule: -1, reason: mistake.message } : { rule: Number(index), reason };
}

// @ts-check

/**
 * Returns the address of the list of a rule's alerts, below the application's root. Those of levels have names of their own, which begin with the rule's.
 *
 * @param {import('../../model/rules.js').ShownRule} rule
 */
export function alertsOfRule({ condition, name }) {
  return `alerts?${new URLSearchParams(condition.kind === 'levels' ? { search: `${name}.` } : { rule: name })}`;
}

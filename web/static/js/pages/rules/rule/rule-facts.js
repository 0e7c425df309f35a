// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { partNames, partWords } from '../../../components/rule/words.js';
import { procedureAddress } from '../../../model/alert-story.js';
import { judgesSilence, ruleParts } from '../../../model/rules.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rules.js').RuleBody} RuleBody
 */

/** What is said only of a rule that has it. @type {readonly string[]} */
const seldom = ['devices', 'except', 'labels', 'area', 'procedure'];

/** What the rule for silent devices has not. @type {readonly string[]} */
const ofReadings = ['for_seconds', 'device_type', 'area', 'labels', 'devices', 'except', 'text', 'text_en'];

/**
 * Shows what a rule says, in words.
 *
 * @param {HTMLElement} list
 * @param {RuleBody} rule
 * @param {Session} session
 */
export function showRule(list, rule, session) {
  const { locale } = session;
  const shown = ruleParts.filter((part) => part !== 'disabled' && !(seldom.includes(part) && !rule[part]) && !(judgesSilence(rule) && ofReadings.includes(part) && !rule[part]));
  const address = procedureAddress(rule.procedure);
  render(html`${shown.map((part) => html`<dt>${locale.t(partNames[part])}</dt>
    <dd dir="auto" data-fact=${part} class=${part === 'condition' ? 'rule-condition' : nothing}>${part === 'procedure' && address
      ? html`<a class="link" href=${address} target="_blank" rel="noopener noreferrer">${partWords(part, rule, session)}</a>` : partWords(part, rule, session)}</dd>`)}`, list);
}

// @ts-check
import { html } from '../../../../vendor/lit-html/lit-html.js';
import { partNames, partWords } from '../../../components/rule/words.js';
import { differentParts } from '../../../model/rules.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rules.js').RuleBody} RuleBody
 * @typedef {import('../../../model/rules.js').RuleVersion} RuleVersion
 */

/** How a rule was decided. @type {Record<string, import('../../../locale/locale.js').Text>} */
const actions = { create: texts.wasCreated, put: texts.wasChanged, delete: texts.wasDeleted, import: texts.wasImported, adopt: texts.wasKept, repeat: texts.wasKept };

/**
 * What a decision about a rule is called.
 *
 * @param {RuleVersion} version
 * @param {import('../../../locale/locale.js').Locale} locale
 */
export function actionName({ action }, locale) {
  return locale.t(actions[action] ?? texts.wasChanged);
}

/**
 * What has become different, part by part.
 *
 * @param {RuleBody} before
 * @param {RuleBody} after
 * @param {Session} session
 */
export function ruleChanges(before, after, session) {
  const { locale } = session;
  const parts = differentParts(before, after);
  if (parts.length === 0) return html`<span class="soft">${locale.t(texts.noDifference)}</span>`;
  return html`<ul class="rule-changes">${parts.map((part) => html`<li>${locale.t(texts.partChange, {
    part: locale.t(partNames[part]), before: partWords(part, before, session), after: partWords(part, after, session),
  })}</li>`)}</ul>`;
}

// @ts-check
import { html } from '../../../vendor/lit-html/lit-html.js';
import { differentParts } from '../../model/rules.js';
import { texts } from './texts.js';
import { partNames, partWords } from './words.js';

/** @typedef {import('../../model/rules.js').RuleBody} RuleBody */

/**
 * What has become different, part by part.
 *
 * @param {RuleBody} before
 * @param {RuleBody} after
 * @param {import('../../app/session.js').Session} session
 */
export function ruleChanges(before, after, session) {
  const { locale } = session;
  const parts = differentParts(before, after);
  if (parts.length === 0) return html`<span class="soft">${locale.t(texts.noDifference)}</span>`;
  return html`<ul class="rule-changes">${parts.map((part) => html`<li>${locale.t(texts.partChange, {
    part: locale.t(partNames[part]), before: partWords(part, before, session), after: partWords(part, after, session),
  })}</li>`)}</ul>`;
}

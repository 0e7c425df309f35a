// @ts-check
import { html } from '../../../../vendor/lit-html/lit-html.js';
import { partBecomes } from '../../../components/notifications/words.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { routeChanges } from '../../../model/route-form.js';
import { selectionWords, whenNotified, whoWords } from '../words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/notifications.js').NotificationRoute} NotificationRoute
 * @typedef {import('../../../app/session.js').Session} Session
 */

/**
 * How routes differ from those before, in words.
 *
 * @param {NotificationRoute[]} before
 * @param {NotificationRoute[]} after
 * @param {Session} session
 */
export function changeList(before, after, session) {
  const { locale } = session;
  const changes = routeChanges(before, after);
  if (changes.length === 0) return html`<p class="soft">${locale.t(texts.changeNone)}</p>`;
  const simple = { added: texts.changeAdded, removed: texts.changeRemoved, moved: texts.changeMoved };
  return html`<ul class="rule-changes">${changes.map((change) => (change.kind === 'changed'
    ? html`<li>${locale.t(texts.changeRoute, { name: visible(change.name) })}<ul>${partChanges(change.before, change.after, session).map((words) => html`<li>${words}</li>`)}</ul></li>`
    : html`<li>${locale.t(simple[change.kind], { name: visible(change.name) })}</li>`))}</ul>`;
}

/**
 * Which parts of a route are different, in words.
 *
 * @param {NotificationRoute} before
 * @param {NotificationRoute} after
 * @param {Session} session
 * @returns {string[]}
 */
export function partChanges(before, after, session) {
  const { locale } = session;
  const list = (/** @type {string[]} */ words) => words.join(locale.t(terms.listSeparator)) || locale.t(terms.unknown);
  const said = (/** @type {NotificationRoute} */ route) => [
    locale.t(route.disabled ? texts.disabledRoute : texts.enabledRoute), selectionWords(route, session), whoWords(route, locale) || locale.t(terms.unknown),
  ];
  const [old, fresh] = [said(before), said(after)];
  const changed = [texts.changeState, texts.partAlerts, texts.partWho].flatMap((part, i) => (old[i] === fresh[i] ? [] : [partBecomes(locale.t(part), String(old[i]), String(fresh[i]), locale)]));
  const [was, is] = [whenNotified(before, locale), whenNotified(after, locale)];
  const [gone, come] = [was.filter((words) => !is.includes(words)), is.filter((words) => !was.includes(words))];
  if (gone.length + come.length > 0) changed.push(partBecomes(locale.t(texts.partHow), list(gone), list(come), locale));
  return changed.length > 0 ? changed : [locale.t(texts.changeOther)];
}

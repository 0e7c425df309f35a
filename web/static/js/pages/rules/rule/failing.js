// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { visible } from '../../../locale/visible.js';
import { texts } from './texts.js';

/** How many devices are shown. */
const most = 5;

/**
 * Shows on which devices a rule cannot judge what they send, since when, and why.
 *
 * @param {HTMLElement} element
 * @param {import('../../../model/rules.js').RuleFailures | undefined} failing
 * @param {import('../../../app/session.js').Session} session
 */
export function showFailing(element, failing, session) {
  const { clock, locale } = session;
  element.hidden = !failing;
  if (!failing) {
    render(nothing, element);
    return;
  }
  const { devices, items } = failing;
  const shown = items.slice(0, most);
  render(html`<div><p><strong>${locale.t(texts.failing, { count: devices })}</strong></p>
    <ul>${shown.map(({ alert, message, message_en: english, since }) => html`<li><a class="link" href=${session.href(`alerts/${encodeURIComponent(alert)}`)}>${visible(locale.language === 'en' ? english : message)}</a>
      <span>${locale.t(texts.failingSince, { time: locale.timeOrDate(Date.parse(since), clock.now()) })}</span></li>`)}</ul>
    ${devices > shown.length ? html`<p>${locale.t(texts.failingMore, { count: devices - shown.length })}</p>` : nothing}</div>`, element);
}

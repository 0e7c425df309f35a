// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { actorName } from '../../../components/actor.js';
import { deciderWords, suppressionWords, whyWords } from '../../../components/alert/words.js';
import { maintenancePath } from '../../../components/maintenance/words.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { storyOf } from '../../../model/alert-story.js';
import { devicePath } from '../../../model/device-link.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/history.js').AlertEvent} AlertEvent
 * @typedef {import('../../../model/protocol.js').Alert} Alert
 * @typedef {import('../../../app/session.js').Session} Session
 */

/** @type {Record<import('../../../model/alert-story.js').Happening, import('../../../locale/locale.js').Text>} */
const words = {
  raised: texts.storyRaised, cleared: texts.storyCleared, reset: texts.storyReset, acknowledged: texts.storyAcknowledged, shelved: texts.storyShelved,
  out_of_service: texts.storyOutOfService, by_design: texts.storyByDesign, by_parent: texts.storyByParent, suppression_ended: texts.storySuppressionEnded, latched: texts.storyLatched, again: texts.storyAgain,
  waived: texts.storyWaived, comment: texts.storyComment, changed: texts.storyChanged, value: texts.storyValue,
};

/** @type {Record<string, import('../../../locale/locale.js').Text>} */
const reasons = {
  not_selected: texts.reasonNotSelected, rule_changed: texts.reasonRuleChanged, acknowledgement_waived: texts.reasonTooMany, device_forgotten: texts.reasonForgotten,
};

/**
 * What suppresses the alert after an event, why, and who has decided so, where the event is about that or is the first one. What the person has written with the
 * event says it already.
 *
 * @param {import('../../../model/alert-story.js').Chapter} chapter
 * @param {Session} session
 */
function suppression({ what, event }, session) {
  const { clock, locale } = session;
  const { suppressed, suppressed_by: by = '' } = event;
  if (!suppressed || !['raised', 'by_design', 'by_parent', 'shelved', 'out_of_service'].includes(what)) return nothing;
  const raised = what === 'raised';
  const why = event.comment ? '' : whyWords(event, locale);
  const words = [raised ? suppressionWords(event, clock.now(), locale) : '', why, raised ? deciderWords(event, locale) : ''].filter(Boolean).join(locale.t(terms.listSeparator));
  const to = !by ? '' : suppressed === 'by_design' ? maintenancePath(by) : suppressed === 'by_parent' ? devicePath(by) : '';
  const text = words || (suppressed === 'by_parent' ? visible(by) : '');
  if (!text) return nothing;
  return html`<span class="story-why" dir="auto">${to ? html`<a class="link" href=${session.href(to)}>${text}</a>` : text}</span>`;
}

/**
 * Shows what became of an alert, oldest first.
 *
 * @param {HTMLElement} element
 * @param {{events: AlertEvent[], alert: Alert}} of
 * @param {Session} session
 */
export function showStory(element, { events, alert }, session) {
  const { clock, locale } = session;
  render(html`<table class="values story">
    <thead><tr><th scope="col">${locale.t(terms.time)}</th><th scope="col">${locale.t(texts.storyWhat)}</th><th scope="col">${locale.t(terms.value)}</th><th scope="col">${locale.t(texts.storyWho)}</th></tr></thead>
    <tbody>${storyOf(events).map((chapter) => {
      const { what, event } = chapter;
      const who = event.actor ?? (what === 'by_design' ? event.suppressed_actor : undefined);
      const at = Date.parse(event.timestamp);
      const until = event.suppressed_until ? locale.timeOrDate(Date.parse(event.suppressed_until), clock.now()) : locale.t(terms.unknown);
      const reason = what === 'changed' ? undefined : reasons[event.reason ?? ''];
      return html`<tr>
        <th scope="row"><time datetime=${event.timestamp} title=${locale.dateTime(at)}>${locale.timeOrDate(at, clock.now())}</time></th>
        <td><span class="story-what">${locale.t(words[what], { time: until })}${reason ? html` (${locale.t(reason)})` : nothing}</span>
          ${suppression(chapter, session)}
          ${event.comment ? html`<q class="story-comment" dir="auto">${visible(event.comment)}</q>` : nothing}</td>
        <td>${session.alertValue({ ...alert, current_value: event.current_value })}</td>
        <td>${who ? actorName(who, locale) : ''}</td>
      </tr>`;
    })}</tbody></table>`, element);
}

// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/rules.js').RulePoints} RulePoints
 * @typedef {RulePoints['without'][number]} Lacking
 * @typedef {import('../../../app/session.js').Session} Session
 */

/**
 * Shows the points of machines that the expression of a rule names, and the devices that lack one.
 *
 * @param {HTMLElement} element
 * @param {RulePoints | undefined} points
 * @param {Session} session
 */
export function showPoints(element, points, session) {
  const { clock, locale, plant } = session;
  element.hidden = !points;
  if (!points) {
    render(nothing, element);
    return;
  }
  const { devices_without: lacking, found, items, machines, without } = points;
  const row = (/** @type {RulePoints['items'][number]} */ { area, device_id: id, device_type: type, last_seen: seen, point, value }) => html`<tr>
    <td dir="auto">${visible(area)}</td><td dir="auto">${visible(point)}</td><td>${deviceLink(id, session)}</td>
    <td class="number">${locale.reading(value, plant.specs.get(type))}</td><td>${locale.ago(Math.max(clock.now() - Date.parse(seen), 0))}</td></tr>`;
  const device = (/** @type {Lacking} */ { area, device_id: id, missing }) => html`<li>${deviceLink(id, session)}
    ${area === '' ? html`<span>${locale.t(texts.pointNoArea)}</span>` : html`<bdi>${visible(area)}</bdi>
      ${missing.map((one) => html`<span>${locale.t(texts.pointMissing, { point: visible(one.point), reason: reasonWords(one, session) })}</span>`)}`}</li>`;
  render(html`<h4>${locale.t(texts.pointsTitle)}</h4>
    ${found === 0 ? html`<p class="soft">${locale.t(machines === 0 && lacking === 0 ? texts.pointsWatchNothing : texts.pointsNone)}</p>` : html`<table class="median-table point-table"><thead><tr>
      <th scope="col">${locale.t(terms.area)}</th><th scope="col">${locale.t(texts.point)}</th><th scope="col">${locale.t(terms.device)}</th>
      <th scope="col" class="number">${locale.t(terms.value)}</th><th scope="col">${locale.t(texts.pointSeen)}</th></tr></thead><tbody>${items.map(row)}</tbody></table>`}
    ${found > items.length ? html`<p>${locale.t(texts.pointsMore, { count: found - items.length })}</p>` : nothing}
    ${lacking > 0 ? html`<p><strong>${locale.t(texts.pointsWithout, { count: lacking })}</strong></p><ul class="point-without">${without.map(device)}</ul>` : nothing}
    ${lacking > without.length ? html`<p>${locale.t(texts.failingMore, { count: lacking - without.length })}</p>` : nothing}`, element);
}

/**
 * @param {string} id
 * @param {Session} session
 */
function deviceLink(id, session) {
  return html`<a class="link" href=${session.href(`devices/${encodeURIComponent(id)}`)}>${visible(id)}</a>`;
}

/**
 * Says why a device lacks a point.
 *
 * @param {Lacking['missing'][number]} missing
 * @param {Session} session
 */
function reasonWords({ device_id: id = '', devices = 0, last_seen: seen, reason }, { clock, locale }) {
  const device = visible(id);
  switch (reason) {
    case 'no_area': return locale.t(texts.pointNoArea);
    case 'no_such_point': return locale.t(texts.pointNone);
    case 'several': return locale.t(texts.pointSeveral, { count: devices });
    case 'never_sent': return locale.t(texts.pointNeverSent, { device });
    case 'offline': return locale.t(texts.pointOffline, { device, time: seen ? locale.timeOrDate(Date.parse(seen), clock.now()) : locale.t(terms.unknown) });
    case 'not_good': return locale.t(texts.pointNotGood, { device });
    case 'many_points': return locale.t(texts.pointMany);
    default: return locale.t(texts.pointWaits, { device });
  }
}

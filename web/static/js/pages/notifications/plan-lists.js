// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { visible } from '../../locale/visible.js';
import { turnsFrom } from '../../model/notifications.js';
import { texts } from './texts.js';
import { listed, selectionWords, whenNotified, whoWords } from './words.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/notifications.js').Routes} Routes
 */

/**
 * Shows who is notified of what, in the order in which the routes are tried.
 *
 * @param {HTMLElement} element
 * @param {Routes['items']} routes
 * @param {Session} session
 */
export function showRoutes(element, routes, session) {
  const { locale } = session;
  if (routes.length === 0) {
    render(html`<p class="empty">${locale.t(texts.routesNone)}</p>`, element);
    return;
  }
  render(html`<ol class="routes">${routes.map((route) => html`<li>
    <h3>${visible(route.name)}</h3>
    <p class="route-what">${selectionWords(route, session)}</p>
    <p>${locale.t(texts.routeTo, { who: whoWords(route, locale) })}</p>
    <ul class="route-when">${whenNotified(route, locale).map((words) => html`<li>${words}</li>`)}</ul>
  </li>`)}</ol>`, element);
}

/**
 * Shows who is on call now, and for a week.
 *
 * @param {HTMLElement} element
 * @param {Routes['calendars']} calendars
 * @param {Session} session
 */
export function showCalendars(element, calendars, session) {
  const { clock, locale } = session;
  const now = clock.now();
  if (calendars.length === 0) {
    render(html`<p class="empty">${locale.t(texts.calendarsNone)}</p>`, element);
    return;
  }
  const at = (/** @type {number} */ time) => locale.timeOrDate(time, now);
  render(html`<ul class="calendars">${calendars.map(({ name, time_zone: zone, next }) => {
    const [present, ...later] = turnsFrom(next, now);
    return html`<li><h3>${visible(name)}</h3> <span class="soft">${locale.t(texts.calendarZone, { zone: visible(zone) })}</span>
      ${present ? html`<p class="on-call">${later.length > 0 ? locale.t(texts.onCallNow, { who: listed(present.channels, locale), time: at(present.until) })
        : locale.t(texts.onCallAlways, { who: listed(present.channels, locale) })}</p>` : nothing}
      ${later.length > 0 ? html`<details><summary>${locale.t(texts.nextTurns)}</summary><ol class="turns">${later.map(({ from, until, channels }) => html`<li>${locale.t(texts.turn, { from: at(from), until: at(until), who: listed(channels, locale) })}</li>`)}</ol></details>` : nothing}
    </li>`;
  })}</ul>`, element);
}

// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { reasonWords } from '../../components/notifications/words.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { calendarPath, turnsFrom } from '../../model/notifications.js';
import { texts } from './texts.js';
import { listed, notifiesWords, selectionWords, whenNotified } from './words.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../components/slices.js').Slices} Slices
 * @typedef {import('../../model/notifications.js').Routes} Routes
 */

/**
 * Shows who is notified of what, in the order in which the routes are tried.
 *
 * @param {HTMLElement} element
 * @param {Routes['items']} routes
 * @param {Session} session
 * @param {Slices} slices
 */
export function showRoutes(element, routes, session, slices) {
  const { locale } = session;
  if (routes.length === 0) {
    render(html`<p class="empty">${locale.t(texts.routesNone)}</p>`, element);
    return;
  }
  slices.show(routes.length, (count) => render(html`<ol class="routes">${routes.slice(0, count).map((route) => html`<li data-disabled=${route.disabled ? 'true' : nothing}>
    <h3>${visible(route.name)}${route.disabled ? html` <span class="route-mark">${locale.t(texts.routeDisabled)}</span>` : nothing}</h3>
    <p class="route-what">${selectionWords(route, session)}</p>
    <p>${notifiesWords(route, locale)}</p>
    <ul class="route-when">${whenNotified(route, locale).map((words) => html`<li>${words}</li>`)}</ul>
  </li>`)}</ol>`, element));
}

/** The clocks of server and page need not agree to the second. */
const aMinute = 60_000;

/**
 * Says what keeps people from being notified as the routes say: critical alerts that no route takes, a decision that is not in force, and channels that are gone.
 *
 * @param {HTMLElement} element
 * @param {Routes} plan
 * @param {Session} session
 * @param {string[]} [more] What else there is to say.
 */
export function showWarnings(element, plan, session, more = []) {
  const { in_force: inForce, missing = [], origin, uncovered } = plan;
  const { clock, locale } = session;
  const words = [...more];
  if (uncovered) {
    const now = clock.now();
    const from = Date.parse(uncovered.from);
    const types = (uncovered.types ?? []).map((type) => session.typeName(type)).join(locale.t(terms.listSeparator));
    const time = locale.timeOrDate(from, now);
    if (from > now + aMinute) words.push(types ? locale.t(texts.uncoveredTypesFrom, { types, time }) : locale.t(texts.uncoveredFrom, { time }));
    else words.push(types ? locale.t(texts.uncoveredTypes, { types }) : locale.t(texts.uncovered));
  }
  if (!inForce) words.push(locale.t(texts.routesNotInForce, { reason: reasonWords(plan, origin, locale) }));
  if (missing.length > 0) words.push(locale.t(texts.routesMissing, { names: listed(missing, locale) }));
  render(html`${words.map((one) => html`<p class="question-problem">${one}</p>`)}`, element);
}

/**
 * Shows who is on call now, and for two weeks.
 *
 * @param {HTMLElement} element
 * @param {Pick<Routes, 'calendars' | 'decidable'>} plan
 * @param {Session} session
 * @param {Slices} slices
 */
export function showCalendars(element, { calendars, decidable = false }, session, slices) {
  const { clock, locale } = session;
  const now = clock.now();
  if (calendars.length === 0) {
    render(html`<p class="empty">${locale.t(texts.calendarsNone)}</p>`, element);
    return;
  }
  // The turns of 50 calendars for two weeks are thousands: they are drawn once somebody opens them.
  const show = () => showCalendars(element, { calendars, decidable }, session, slices);
  const open = new Set([...element.querySelectorAll('details[open]')].map((details) => details.getAttribute('data-calendar')));
  const isOpen = (/** @type {string} */ name) => open.has(name);
  slices.show(calendars.length, (count) => render(html`<ul class="calendars">${calendars.slice(0, count).map(({ name, decided_by: from, time_zone: zone, next, version }) => {
    const [present, ...later] = turnsFrom(next, now);
    const at = (/** @type {number} */ time) => locale.planned(time, zone);
    return html`<li><h3>${visible(name)}</h3> <span class="soft">${locale.t(texts.calendarZone, { zone: visible(zone) })} · ${from === 'people' ? locale.t(texts.decidedVersion, { version: String(version) }) : locale.t(texts.calendarConfigured)}</span>
      ${decidable ? html`<a class="link calendar-edit" aria-label=${locale.t(texts.calendarEditOf, { name: visible(name) })} href=${session.href(calendarPath(name))}>${locale.t(texts.calendarEdit)}</a>` : nothing}
      ${present ? html`<p class="on-call">${later.length > 0 ? locale.t(texts.onCallNow, { who: listed(present.channels, locale), time: at(present.until) })
        : locale.t(texts.onCallAlways, { who: listed(present.channels, locale) })}</p>` : nothing}
      ${later.length > 0 ? html`<details data-calendar=${name} @toggle=${show}><summary>${locale.t(texts.nextTurns)}</summary>
        <ol class="turns">${isOpen(name) ? later.map(({ from, until, channels }) => html`<li>${locale.t(texts.turn, { from: at(from), until: at(until), who: listed(channels, locale) })}</li>`) : nothing}</ol></details>` : nothing}
    </li>`;
  })}</ul>`, element));
}

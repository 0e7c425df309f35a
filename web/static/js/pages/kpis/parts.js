// @ts-check
import { html, nothing, render, svg } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { figures } from '../../model/kpis.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../model/kpis.js').Kpis} Kpis
 */

/** What the figures are called. @type {Record<import('../../model/kpis.js').FigureName, import('../../locale/locale.js').Text>} */
const figureNames = {
  per_day: texts.figurePerDay,
  per_hour: texts.figurePerHour,
  per_10_minutes: texts.figurePer10Minutes,
  peak_10_minutes: texts.figurePeak10Minutes,
  busy_10_minutes_percent: texts.figureBusy10Minutes,
  busy_hours_percent: texts.figureBusyHours,
  flood_percent: texts.figureFlood,
  most_percent: texts.figureMost,
  chattering: texts.figureChattering,
  fleeting: texts.figureFleeting,
  stale: texts.figureStale,
  critical_percent: texts.figureCritical,
  warning_percent: texts.figureWarning,
};

/** The height of the bars' drawing, in its own units. */
const height = 100;

/**
 * A figure with no more digits than it needs.
 *
 * @param {number} value
 * @param {boolean} percent
 * @param {Locale} locale
 */
export function figureWords(value, percent, locale) {
  const words = locale.number(value, Number.isInteger(value) ? 0 : value < 10 ? 2 : 1);
  return percent ? locale.t(texts.percentOf, { value: words }) : words;
}

/**
 * Shows the alerts of each step as bars.
 *
 * @param {HTMLElement} element
 * @param {Kpis} kpis
 * @param {Locale} locale
 */
export function showRates(element, { series, alerts, from, to, step_seconds: seconds }, locale) {
  const most = Math.max(...series, 1);
  const step = locale.duration(seconds * 1000);
  const [begin, end] = [from, to].map((at) => locale.dateTime(Date.parse(at)));
  const label = locale.t(texts.ratesLabel, { count: locale.number(alerts), from: begin ?? '', to: end ?? '', most: locale.number(alerts ? most : 0), step });
  const bars = series.map((count, i) => (count ? svg`<rect x=${i + 0.08} width="0.84" y=${height - (height * count) / most} height=${(height * count) / most}></rect>` : nothing));
  render(html`<p class="rates-most">${alerts ? locale.t(texts.ratesMost, { most: locale.number(most), step }) : locale.t(texts.ratesNone)}</p>
    <svg class="rates-bars" role="img" aria-label=${label} viewBox=${`0 0 ${series.length} ${height}`} preserveAspectRatio="none">${bars}</svg>
    <p class="rates-axis"><span>${begin}</span><span>${end}</span></p>`, element);
}

/**
 * Shows each figure beside its target.
 *
 * @param {HTMLElement} element
 * @param {Kpis} kpis
 * @param {Locale} locale
 */
export function showTargets(element, kpis, locale) {
  render(html`<table class="values kpi-targets">
    <thead><tr>${[texts.figure, terms.value, texts.targetHead, texts.verdict].map((text) => html`<th scope="col">${locale.t(text)}</th>`)}</tr></thead>
    <tbody>${figures(kpis).map(({ name, value, target, percent, met }) => html`<tr class=${met ? '' : 'missed'}>
      <th scope="row">${locale.t(figureNames[name])}</th>
      <td>${figureWords(value, percent, locale)}</td>
      <td>${figureWords(target, percent, locale)}</td>
      <td>${locale.t(met ? texts.met : texts.missed)}</td>
    </tr>`)}</tbody>
  </table>`, element);
}

/**
 * Shows what has raised most.
 *
 * @param {HTMLElement} element
 * @param {Kpis} kpis
 * @param {Locale} locale
 * @param {(id: string) => string} href The address of a device.
 */
export function showMost(element, { most, alerts }, locale, href) {
  if (most.length === 0) {
    render(html`<p class="empty">${locale.t(texts.ratesNone)}</p>`, element);
    return;
  }
  render(html`<table class="values kpi-most">
    <thead><tr>${[texts.mostRule, terms.device, terms.alerts, texts.mostShare].map((text) => html`<th scope="col">${locale.t(text)}</th>`)}</tr></thead>
    <tbody>${most.map((row) => html`<tr>
      <th scope="row">${visible(row.alert_type)}${row.chattering ? html` <span class="chatters">${locale.t(texts.mostChattering)}</span>` : nothing}</th>
      <td class="wide"><a class="link" href=${href(row.device_id)}>${visible(row.device_id)}</a></td>
      <td>${locale.number(row.alerts)}</td>
      <td>${locale.t(texts.percentOf, { value: locale.number((100 * row.alerts) / alerts, 1) })}</td>
    </tr>`)}</tbody>
  </table>`, element);
}

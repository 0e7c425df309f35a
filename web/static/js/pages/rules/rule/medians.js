// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/rules.js').RuleMedians} RuleMedians
 * @typedef {import('../../../app/session.js').Session} Session
 */

/**
 * Shows the medians with which a rule compares values, and the devices that have none.
 *
 * @param {HTMLElement} element
 * @param {RuleMedians | undefined} medians
 * @param {Session} session
 */
export function showMedians(element, medians, session) {
  const { clock, locale, plant } = session;
  element.hidden = !medians;
  if (!medians) {
    render(nothing, element);
    return;
  }
  const { devices_without: lacking, groups, items, without } = medians;
  const area = (/** @type {string} */ path) => (path ? visible(path) : locale.t(texts.medianNoArea));
  const row = (/** @type {RuleMedians['items'][number]} */ { area: path, device_type: type, devices, median, newest }) => html`<tr>
    <td dir="auto">${area(path)}</td><td>${session.typeName(type)}</td><td class="number">${locale.threshold({ threshold: median }, plant.specs.get(type))}</td>
    <td class="number">${locale.number(devices)}</td><td>${locale.timeOrDate(Date.parse(newest), clock.now())}</td></tr>`;
  render(html`<h4>${locale.t(texts.mediansTitle)}</h4>
    ${groups === 0 ? html`<p class="soft">${locale.t(texts.mediansNone)}</p>` : html`<table class="median-table"><thead><tr>
      <th scope="col">${locale.t(terms.area)}</th><th scope="col">${locale.t(terms.deviceType)}</th><th scope="col" class="number">${locale.t(texts.median)}</th>
      <th scope="col" class="number">${locale.t(texts.medianDevices)}</th><th scope="col">${locale.t(texts.medianNewest)}</th></tr></thead><tbody>${items.map(row)}</tbody></table>`}
    ${groups > items.length ? html`<p>${locale.t(texts.failingMore, { count: groups - items.length })}</p>` : nothing}
    ${lacking > 0 ? html`<p><strong>${locale.t(texts.mediansWithout, { count: lacking })}</strong></p><ul class="median-without">
      ${without.map((device) => html`<li><a class="link" href=${session.href(`devices/${encodeURIComponent(device.device_id)}`)}>${visible(device.device_id)}</a>
        <span>${area(device.area)}: ${reasonWords(device, session)}</span></li>`)}</ul>` : nothing}
    ${lacking > without.length ? html`<p>${locale.t(texts.failingMore, { count: lacking - without.length })}</p>` : nothing}`, element);
}

/**
 * Says why a device has no median.
 *
 * @param {RuleMedians['without'][number]} device
 * @param {Session} session
 */
function reasonWords({ online, reason }, { locale }) {
  if (reason === 'few_devices') return locale.t(texts.medianFew, { count: online });
  return locale.t(reason === 'many_groups' ? texts.medianMany : texts.medianWaits);
}

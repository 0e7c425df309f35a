// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { visible } from '../../locale/visible.js';
import { serviceOf } from '../../model/system.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../model/system.js').System} System
 * @typedef {import('../../model/system.js').Member} Member
 * @typedef {import('../../model/system.js').Part} Part
 */

/** What each role is called; that of a program is what it does. */
const roles = { processor: texts.roleProcessor, archiver: texts.roleArchiver, cache: texts.roleCache };

/** What a program does that processes no partitions. @type {Record<string, import('../../locale/locale.js').Text>} */
const programs = { producer: texts.roleProducer, web: texts.roleWeb, websocket: texts.roleWebSocket };

/**
 * Shows which programs take part, in which version, and the parts of the one that answers.
 *
 * @param {HTMLElement} element
 * @param {{system: System, now: number, locale: Locale}} view
 */
export function showPrograms(element, { system, now, locale }) {
  const { program, members, parts } = system;
  const heads = [texts.programService, texts.programVersion, texts.programRole, texts.programHost, texts.programPartitions];
  // It is in the first row.
  const own = members.find(({ answers }) => answers);
  const others = members.filter((member) => member !== own);
  const age = locale.duration(now - Date.parse(program.started_at));
  render(html`<table class="values programs">
      <thead><tr>${heads.map((text) => html`<th scope="col">${locale.t(text)}</th>`)}</tr></thead>
      <tbody>
        <tr><th scope="row">${program.service}</th><td>${program.version}</td><td class="wide">${locale.t(texts.answering, { time: age })}</td><td>${visible(own?.host ?? '')}</td><td></td></tr>
        ${others.map((member) => row(member, locale))}
        ${others.length === 0 ? html`<tr class="gap"><td colspan=${heads.length}>${locale.t(texts.programsNone)}</td></tr>` : nothing}
      </tbody>
    </table>
    <h3 class="parts-title">${locale.t(texts.parts)}</h3>
    <ul class="parts">${ordered(parts).map((part) => item(part, locale))}</ul>`, element);
}

/**
 * @param {Member} member
 * @param {Locale} locale
 */
function row({ client, host, role, partitions }, locale) {
  const { service, version } = serviceOf(client);
  const does = role === 'program' ? programs[service] : roles[role];
  return html`<tr>
    <th scope="row">${visible(service)}</th><td>${visible(version)}</td><td>${does ? locale.t(does) : visible(role)}</td>
    <td>${visible(host ?? '')}</td><td class="wide">${ranges(partitions).join(', ')}</td>
  </tr>`;
}

/**
 * Those that are not ready first.
 *
 * @param {Part[]} parts
 */
function ordered(parts) {
  return [...parts].sort((a, b) => Number(a.ready) - Number(b.ready));
}

/**
 * @param {Part} part
 * @param {Locale} locale
 */
function item({ name, ready, vital, reason = '' }, locale) {
  const state = ready ? 'ready' : vital ? 'missing' : 'degraded';
  const words = { ready: texts.partReady, missing: texts.partMissing, degraded: texts.partDegraded }[state];
  const icons = { ready: 'cleared', missing: 'critical', degraded: 'warning' };
  return html`<li class="part" data-state=${state}>
    <svg class="icon" aria-hidden="true"><use href="#icon-${icons[state]}"></use></svg>
    <span class="part-name">${name}</span> <span class="part-words">${locale.t(words, { reason })}</span>
  </li>`;
}

/**
 * Writes consecutive numbers as ranges: 0–3, 7.
 *
 * @param {number[]} numbers In their order.
 */
export function ranges(numbers) {
  /** @type {[number, number][]} */
  const spans = [];
  for (const number of numbers) {
    const last = spans.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else spans.push([number, number]);
  }
  return spans.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`));
}

// @ts-check
import { html, render } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../model/system.js').Forward} Forward
 *
 * @typedef {{forward: Forward, now: number, locale: Locale}} ForwardView
 */

/** From here on the clock of the answering program is wrong, in seconds: what it forwards is in the centre's future. */
const clockAhead = 5;

/**
 * Shows how the forwarding of readings to a centre is doing.
 *
 * @param {HTMLElement} element
 * @param {ForwardView} view
 */
export function showForward(element, view) {
  render(html`<dl class="facts forward-facts">${factsOf(view).map(([name, value, problem]) => html`<div><dt>${name}</dt><dd class=${problem ? 'problem' : ''}>${value}</dd></div>`)}</dl>`, element);
}

/**
 * @param {ForwardView} view
 * @returns {[string, string, boolean][]} Names, words, and whether they say that something is wrong.
 */
export function factsOf({ forward, now, locale }) {
  const { connected, since, problem, lag, lag_seconds: waiting, early, rejected, last_reason: reason, errors, clock_ahead_seconds: ahead } = forward;
  const lost = forward.lost.reduce((sum, { records }) => sum + records, 0);
  const time = since ? locale.duration(Math.max(now - Date.parse(since), 0)) : '';
  const state = !since ? texts.forwardBegins : connected ? texts.forwardConnected : texts.forwardAway;
  /** @type {[string, string, boolean?][]} */
  const facts = [
    [locale.t(texts.forwardTo), visible(forward.to)],
    [locale.t(texts.forwardState), locale.t(state, { time }), Boolean(since) && !connected],
    [locale.t(texts.forwardProblem), visible(problem ?? ''), true],
    [locale.t(texts.forwardLag), locale.number(lag)],
    [locale.t(texts.forwardWaiting), waiting > 0 ? locale.duration(waiting * 1000) : ''],
    [locale.t(texts.forwardSent), locale.number(forward.forwarded)],
    [locale.t(texts.forwardErrors), errors > 0 ? locale.number(errors) : ''],
    [locale.t(texts.forwardRejected), rejected > 0 ? locale.t(texts.forwardRejectedFor, { count: rejected, reason: visible(reason ?? '') || locale.t(terms.unknown) }) : '', true],
    [locale.t(texts.forwardEarly), early > 0 ? locale.number(early) : '', true],
    [locale.t(texts.forwardClock), ahead > clockAhead ? locale.duration(ahead * 1000) : '', true],
    [locale.t(texts.forwardLost), lost > 0 ? locale.number(lost) : '', true],
  ];
  return facts.flatMap(([name, words, wrong = false]) => (words ? [/** @type {[string, string, boolean]} */ ([name, words, wrong])] : []));
}

// @ts-check
import { html, render } from '../../../../vendor/lit-html/lit-html.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { texts as shared } from '../texts.js';
import { agoWords, errorWords, rateWords } from '../words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/sources.js').Source} Source
 * @typedef {import('../../../model/sources.js').Rates} Rates
 * @typedef {import('../../../locale/locale.js').Locale} Locale
 *
 * @typedef {{source: Source, rates: Rates | undefined, now: number, locale: Locale}} FactView
 */

/**
 * Shows what is known of a source.
 *
 * @param {HTMLElement} element
 * @param {FactView} view
 */
export function showFacts(element, view) {
  render(html`<dl class="facts">${factsOf(view).map(([name, value, problem]) => html`<dt>${name}</dt><dd class=${problem ? 'problem' : ''}>${value}</dd>`)}</dl>`, element);
}

/**
 * @param {FactView} view
 * @returns {[string, string, boolean][]} Names, words, and whether they say that something is wrong.
 */
function factsOf({ source, rates, now, locale }) {
  const counted = (/** @type {number} */ count, /** @type {number | undefined} */ rate) => locale.t(texts.countRate, { count, rate: rateWords(rate, locale) });
  const fields = Object.entries(source.rejected_by).map(([field, count]) => locale.t(texts.fieldCount, { field: visible(field) || locale.t(texts.rejectWhole), count }));
  const rejected = source.rejected > 0 ? locale.t(texts.rejectedFields, { count: source.rejected, fields: fields.join(locale.t(terms.listSeparator)) }) : locale.number(0);
  const broken = source.state !== 'connected';
  /** @type {[string, string | undefined, boolean?][]} */
  const facts = [
    [locale.t(texts.factLogError), source.log_error && visible(source.log_error), true],
    [locale.t(texts.factError), source.error && locale.t(texts.errorAgo, { error: errorWords(source, locale), time: agoWords(source.error_at, now, locale) }), broken],
    [locale.t(texts.factMapError), source.map_error && visible(source.map_error), true],
    [locale.t(shared.protocol), source.kind],
    [locale.t(texts.factAddress), visible(source.address ?? '')],
    [locale.t(texts.factClients), source.clients === undefined ? '' : locale.number(source.clients)],
    [locale.t(texts.factMessages), counted(source.messages, rates?.messages)],
    [locale.t(texts.factReadings), counted(source.readings, rates?.readings)],
    [locale.t(texts.factRejected), rejected, (rates?.rejected ?? 0) > 0],
    [locale.t(texts.factUntimed), source.untimed > 0 ? locale.number(source.untimed) : ''],
    [locale.t(texts.factUnmapped), source.unmapped > 0 ? locale.number(source.unmapped) : ''],
    [locale.t(texts.factSkipped), source.skipped > 0 ? locale.number(source.skipped) : ''],
    [locale.t(texts.factMissed), source.missed > 0 ? locale.number(source.missed) : ''],
    [locale.t(texts.factLag), source.lag === undefined ? '' : locale.number(source.lag)],
    [locale.t(texts.factLastMessage), agoWords(source.last_message, now, locale)],
    [locale.t(shared.lastValue), agoWords(source.last_value, now, locale)],
    [locale.t(texts.factConnections), locale.number(source.connections)],
    [locale.t(texts.factInstance), visible(source.instance ?? '')],
  ];
  return facts.flatMap(([name, words, problem = false]) => (words ? [/** @type {[string, string, boolean]} */ ([name, words, problem])] : []));
}

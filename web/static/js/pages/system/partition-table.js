// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../model/system.js').System} System
 * @typedef {import('../../model/system.js').Partition} Partition
 *
 * @typedef {{system: System, rates: Map<number, number>, locale: Locale}} PartitionView
 */

/**
 * Shows how far each partition of the readings has been processed and archived.
 *
 * @param {HTMLElement} element
 * @param {PartitionView} view
 */
export function showPartitions(element, view) {
  const { system: { log, archive }, locale } = view;
  if (log.problem) {
    render(html`<p class="empty">${log.problem}</p>`, element);
    return;
  }
  const heads = [texts.partition, texts.partitionRate, texts.partitionLag, ...(archive ? [texts.partitionArchive] : []), texts.partitionEnd];
  render(html`<table class="values">
    <thead><tr>${heads.map((text) => html`<th scope="col">${locale.t(text)}</th>`)}</tr></thead>
    <tbody>${log.partitions.map((partition) => row(partition, heads.length, view))}</tbody>
  </table>`, element);
}

/**
 * @param {Partition} partition
 * @param {number} columns
 * @param {PartitionView} view
 */
function row({ partition, end, lag, archive_lag: archiveLag, stopped }, columns, { system: { archive }, rates, locale }) {
  const rate = rates.get(partition);
  return html`<tr>
      <th scope="row">${partition}</th>
      <td>${rate === undefined ? locale.t(terms.unknown) : locale.number(rate, rate < 10 ? 1 : 0)}</td>
      <td>${locale.number(lag)}</td>
      ${archive ? html`<td>${archive.problem ? locale.t(terms.unknown) : locale.number(archiveLag)}</td>` : nothing}
      <td>${locale.number(end)}</td>
    </tr>${stopped ? html`<tr class="stopped"><td colspan=${columns}>${locale.t(texts.partitionStopped, { reason: stopped })}</td></tr>` : nothing}`;
}

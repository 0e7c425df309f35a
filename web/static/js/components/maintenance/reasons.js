// @ts-check
import { html } from '../../../vendor/lit-html/lit-html.js';
import { texts } from './texts.js';

/** Why something is maintained most often. */
const reasons = [texts.reasonRepair, texts.reasonCleaning, texts.reasonCalibration, texts.reasonInspection];

/**
 * The reasons that an input offers, whose list has this id.
 *
 * @param {string} id
 * @param {import('../../locale/locale.js').Locale} locale
 */
export function reasonList(id, locale) {
  return html`<datalist id=${id}>${reasons.map((reason) => html`<option value=${locale.t(reason)}></option>`)}</datalist>`;
}

// @ts-check
import { html } from '../../../vendor/lit-html/lit-html.js';
import { texts } from './texts.js';

/**
 * A field for why something is decided, which its versions show.
 *
 * @param {import('../../locale/locale.js').Locale} locale
 */
export function whyField(locale) {
  return html`<label class="field why"><span>${locale.t(texts.why)}</span><input type="text" name="reason" maxlength="1024" autocomplete="off"></label>`;
}

/** Returns what was written there; empty if nothing was, or if there is no such field. @param {Element} parent */
export function whyOf(parent) {
  const field = parent.querySelector('.why input');
  return field instanceof HTMLInputElement ? field.value.trim() : '';
}

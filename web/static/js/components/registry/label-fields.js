// @ts-check
import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { texts } from './texts.js';

/**
 * Labels that are typed, by name and value. What follows the change must draw them at once: a label that is added gets the focus.
 *
 * @param {{labels: [string, string][], error?: string, onChange: (labels: [string, string][]) => void}} options Error: what is wrong with them.
 * @param {import('../../locale/locale.js').Locale} locale
 */
export function labelFields({ labels, error = '', onChange }, locale) {
  const change = (/** @type {number} */ at, /** @type {[string, string]} */ label) => onChange(labels.map((one, i) => (i === at ? label : one)));
  const typed = (/** @type {Event} */ event) => /** @type {HTMLInputElement} */ (event.target).value;
  const add = (/** @type {Event} */ { target }) => {
    const group = target instanceof Element ? target.closest('fieldset') : null;
    onChange([...labels, ['', '']]);
    [.../** @type {NodeListOf<HTMLInputElement>} */ (group?.querySelectorAll('.pair input:first-child') ?? [])].at(-1)?.focus();
  };
  return html`<fieldset class="field-group"><legend>${locale.t(terms.labels)}</legend>
    ${labels.map(([name, value], i) => html`<div class="pair">
      <input type="text" maxlength="64" autocomplete="off" spellcheck="false" aria-label=${locale.t(texts.labelName, { number: i + 1 })} placeholder=${locale.t(terms.name)} .value=${name} @input=${(/** @type {Event} */ event) => change(i, [typed(event), value])}>
      <input type="text" maxlength="128" autocomplete="off" spellcheck="false" aria-label=${locale.t(texts.labelValue, { number: i + 1 })} placeholder=${locale.t(terms.value)} .value=${value} @input=${(/** @type {Event} */ event) => change(i, [name, typed(event)])}>
      <button type="button" class="button button-icon" aria-label=${locale.t(texts.labelRemove, { name: visible(name) })} title=${locale.t(texts.labelRemove, { name: visible(name) })} @click=${() => onChange(labels.filter((_, k) => k !== i))}><svg class="icon" aria-hidden="true"><use href="#icon-close"></use></svg></button>
    </div>`)}
    <button type="button" class="link" @click=${add}>${locale.t(texts.labelAdd)}</button>
    ${error ? html`<p class="field-error">${error}</p>` : nothing}
  </fieldset>`;
}

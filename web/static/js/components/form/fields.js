// @ts-check
import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { spanUnits } from '../../model/rule-form.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../model/rule-form.js').TypedSpan} TypedSpan
 *
 * @typedef {object} Field
 * @property {string} name As in the interface.
 * @property {string} label
 * @property {string} [error] What is wrong with it; empty if nothing is.
 * @property {string} [hint]
 * @property {boolean} [wide]
 * @property {string} [form] What the form is about: the ids of its controls begin so.
 */

/** @param {Event} event */
export function typedIn(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/**
 * An id of a field's control.
 *
 * @param {string} name
 * @param {string} [form]
 */
export function idOf(name, form = 'rule') {
  return `${form}-${name.replace(/\W+/g, '-')}`;
}

/**
 * A control with its name before it, and below it what is wrong.
 *
 * @param {Field} field
 * @param {(attributes: {id: string, invalid: 'true' | 'false', described: string | typeof nothing}) => unknown} control
 */
export function labelled({ name, label, error = '', hint = '', wide = false, form }, control) {
  const id = idOf(name, form);
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || nothing;
  return html`<div class="field ${wide ? 'wide' : ''}" data-field=${name}><label for=${id}>${label}</label>
    ${control({ id, invalid: error ? 'true' : 'false', described })}
    ${hint ? html`<p class="soft field-hint" id="${id}-hint">${hint}</p>` : nothing}
    ${error ? html`<p class="field-error" id="${id}-error">${error}</p>` : nothing}</div>`;
}

/**
 * @param {Field & {value: string, unit?: string, numeric?: boolean, lines?: number, list?: string, longest?: number, onType: (text: string) => void}} field
 */
export function textField(field) {
  const { value, unit = '', numeric = false, lines = 0, list, longest = 256, onType } = field;
  const typed = (/** @type {Event} */ event) => onType(typedIn(event));
  return labelled(field, ({ id, invalid, described }) => (lines > 0
    ? html`<textarea id=${id} rows=${lines} maxlength=${longest} aria-invalid=${invalid} aria-describedby=${described} autocomplete="off" spellcheck="false" .value=${value} @input=${typed}></textarea>`
    : html`<span class="with-unit"><input type="text" id=${id} inputmode=${numeric ? 'decimal' : nothing} maxlength=${longest} list=${list ?? nothing} aria-invalid=${invalid} aria-describedby=${described}
        autocomplete="off" spellcheck="false" .value=${value} @input=${typed}><span>${unit}</span></span>`));
}

/** @param {Field & {value: string, choices: [string, string][], onChoose: (value: string) => void}} field */
export function choiceField(field) {
  return labelled(field, ({ id, invalid, described }) => choice(field, { id, invalid, described }));
}

/**
 * @param {{value: string, choices: [string, string][], onChoose: (value: string) => void}} field
 * @param {{id?: string, label?: string, invalid?: 'true' | 'false', described?: string | typeof nothing}} attributes
 */
function choice({ value, choices, onChoose }, { id, label, invalid = 'false', described = nothing }) {
  return html`<select id=${id ?? nothing} aria-label=${label ?? nothing} aria-invalid=${invalid} aria-describedby=${described} @change=${(/** @type {Event} */ event) => onChoose(typedIn(event))}>
    ${choices.map(([one, words]) => html`<option value=${one} .selected=${one === value}>${words}</option>`)}</select>`;
}

/**
 * @param {Field & {span: TypedSpan, onType: (span: TypedSpan) => void}} field
 * @param {Locale} locale
 */
export function spanField(field, locale) {
  const { label, span, onType } = field;
  const names = { 1: texts.unitSeconds, 60: texts.unitMinutes, 3600: texts.unitHours, 86400: texts.unitDays };
  const units = spanUnits.map((unit) => /** @type {[string, string]} */ ([String(unit), locale.t(names[unit])]));
  return labelled(field, ({ id, invalid, described }) => html`<span class="with-unit">
    <input type="text" id=${id} inputmode="decimal" maxlength="20" aria-invalid=${invalid} aria-describedby=${described} autocomplete="off" .value=${span.text} @input=${(/** @type {Event} */ event) => onType({ ...span, text: typedIn(event) })}>
    ${choice({ value: String(span.unit), choices: units, onChoose: (unit) => onType({ ...span, unit: Number(unit) }) }, { label: locale.t(texts.unitOf, { name: label }) })}</span>`);
}

/**
 * A limit with a choice beside it.
 *
 * @param {Field & {value: string, unit: string, choices: [string, string][], chosen: string, chosenLabel: string, onType: (text: string) => void, onChoose: (value: string) => void}} field
 */
export function limitField(field) {
  const { value, unit, choices, chosen, chosenLabel, onType, onChoose } = field;
  return labelled(field, ({ id, invalid, described }) => html`<span class="with-unit">
    <input type="text" id=${id} inputmode="decimal" maxlength="24" aria-invalid=${invalid} aria-describedby=${described} autocomplete="off" .value=${value} @input=${(/** @type {Event} */ event) => onType(typedIn(event))}>
    <span>${unit}</span>${choice({ value: chosen, choices, onChoose }, { label: chosenLabel })}</span>`);
}

/** @param {{label: string, checked: boolean, onChange: (checked: boolean) => void}} field */
export function checkField({ label, checked, onChange }) {
  return html`<label class="check wide"><input type="checkbox" .checked=${checked} @change=${(/** @type {Event} */ event) => onChange(/** @type {HTMLInputElement} */ (event.target).checked)}><span>${label}</span></label>`;
}

// @ts-check
import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { days } from '../../model/maintenance.js';
import { dayNames } from '../maintenance/words.js';
import { idOf, labelled, typedIn } from './fields.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../model/notifications.js').Span} Span
 * @typedef {import('./fields.js').Field} Field
 */

/**
 * A group of controls with its name, and below it what is wrong.
 *
 * @param {Field} field
 * @param {unknown} controls
 */
function group({ name, label, error = '', hint = '', wide = true, form }, controls) {
  const id = idOf(name, form);
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || nothing;
  return html`<fieldset class="field-group ${wide ? 'wide' : ''}" id=${id} tabindex=${error ? '-1' : nothing} data-field=${name} data-invalid=${error ? 'true' : nothing} aria-describedby=${described}><legend>${label}</legend>
    ${controls}
    ${hint ? html`<p class="soft field-hint" id="${id}-hint">${hint}</p>` : nothing}
    ${error ? html`<p class="field-error" id="${id}-error">${error}</p>` : nothing}</fieldset>`;
}

/**
 * Some of what can be chosen. What is chosen and not offered any more can still be taken out.
 *
 * @param {Field & {choices: [string, string][], chosen: string[], onChange: (chosen: string[]) => void, none?: string}} field None is what to say if nothing is offered.
 */
export function checksField(field) {
  const { choices, chosen, none = '', onChange } = field;
  const offered = [...choices, ...chosen.filter((value) => !choices.some(([one]) => one === value)).map((value) => /** @type {[string, string]} */ ([value, visible(value)]))];
  const turn = (/** @type {string} */ value) => onChange(chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value]);
  return group(field, offered.length === 0 ? html`<p class="soft">${none}</p>` : html`<div class="checks">${offered.map(([value, words]) => html`<label class="check"><input type="checkbox" .checked=${chosen.includes(value)}
    @change=${() => turn(value)}><span>${words}</span></label>`)}</div>`);
}

/**
 * Names that are typed one by one; Enter, or leaving the field, adds one.
 *
 * @param {Field & {values: string[], list?: string, longest?: number, called?: (value: string) => string, onChange: (values: string[]) => void}} field
 * @param {Locale} locale
 */
export function namesField(field, locale) {
  const { values, list, longest = 256, called = visible, onChange } = field;
  /** @param {HTMLInputElement} input */
  const add = (input) => {
    const value = input.value.trim();
    input.value = '';
    if (value && !values.includes(value)) onChange([...values, value]);
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();
    add(/** @type {HTMLInputElement} */ (event.target));
  };
  const remove = (/** @type {string} */ value, /** @type {Event} */ event) => {
    // The button is gone then: the field is next.
    /** @type {HTMLElement | null | undefined} */ (/** @type {Element} */ (event.target).closest('.field')?.querySelector('input'))?.focus();
    onChange(values.filter((one) => one !== value));
  };
  return labelled(field, ({ id, invalid, described }) => html`${values.length > 0 ? html`<ul class="chips">${values.map((value) => html`<li><span>${called(value)}</span>
      <button type="button" aria-label=${locale.t(texts.removeName, { name: called(value) })} @click=${(/** @type {Event} */ event) => remove(value, event)}><svg class="icon" aria-hidden="true"><use href="#icon-close"></use></svg></button></li>`)}</ul>` : nothing}
    <input type="text" id=${id} list=${list ?? nothing} maxlength=${longest} aria-invalid=${invalid} aria-describedby=${described} autocomplete="off" spellcheck="false"
      @keydown=${pressed} @change=${(/** @type {Event} */ event) => add(/** @type {HTMLInputElement} */ (event.target))}>`);
}

/**
 * Times of day on some days of the week.
 *
 * @template {Span} One
 * @param {Omit<Field, 'error'> & {spans: One[], blank: One, errorAt: (name: string) => string, more?: (span: One, set: (change: Partial<One>) => void, i: number) => unknown, add: string, onChange: (spans: One[]) => void}} field More
 *   is what else each of them has; add is what the button says that adds one.
 * @param {Locale} locale
 */
export function timesField(field, locale) {
  const { add, blank, errorAt, form, label, more, name, onChange, spans } = field;
  const set = (/** @type {number} */ i, /** @type {Partial<One>} */ change) => onChange(spans.map((span, j) => (i === j ? { ...span, ...change } : span)));
  const turn = (/** @type {number} */ i, /** @type {import('../../model/maintenance.js').Day} */ day) => {
    const { days: on = [] } = /** @type {One} */ (spans[i]);
    set(i, /** @type {Partial<One>} */ ({ days: days.filter((one) => (one === day) !== on.includes(one)) }));
  };
  const time = (/** @type {number} */ i, /** @type {'from' | 'to'} */ end, /** @type {string} */ words) => labelled({ name: `${name}[${i}].${end}`, label: words, form, error: errorAt(`${name}[${i}].${end}`) },
    ({ id, invalid, described }) => html`<input type="time" id=${id} aria-invalid=${invalid} aria-describedby=${described} .value=${spans[i]?.[end] ?? ''} @input=${(/** @type {Event} */ event) => set(i, /** @type {Partial<One>} */ ({ [end]: typedIn(event) }))}>`);
  return group({ ...field, error: errorAt(name) }, html`${spans.map((span, i) => html`<fieldset class="span-row"><legend class="visually-hidden">${locale.t(texts.spanNumber, { label, number: i + 1 })}</legend>
      <fieldset class="span-days"><legend>${locale.t(texts.daysOfSpan)}</legend>
        ${days.map((day) => html`<label class="check"><input type="checkbox" .checked=${span.days?.includes(day) ?? false} @change=${() => turn(i, day)}><span>${locale.t(dayNames[day])}</span></label>`)}</fieldset>
      <div class="span-times">${time(i, 'from', locale.t(texts.fromOfSpan))}${time(i, 'to', locale.t(texts.toOfSpan))}
        ${removeButton(locale.t(texts.removeSpan, { label, number: i + 1 }), (event) => removed(event, () => onChange(spans.toSpliced(i, 1))))}</div>
      ${more ? more(span, (change) => set(i, change), i) : nothing}</fieldset>`)}
    <button type="button" class="link add" @click=${() => onChange([...spans, blank])}>${add}</button>`);
}

/**
 * A button that removes something.
 *
 * @param {string} words
 * @param {(event: Event) => void} remove
 */
export function removeButton(words, remove) {
  return html`<button type="button" class="button button-icon" aria-label=${words} title=${words} @click=${remove}><svg class="icon" aria-hidden="true"><use href="#icon-close"></use></svg></button>`;
}

/**
 * Removes one of several, and goes to the button that adds one, because that which was pressed is gone.
 *
 * @param {Event} event
 * @param {() => void} remove
 */
export function removed(event, remove) {
  const add = /** @type {HTMLElement | null | undefined} */ (/** @type {Element} */ (event.target).closest('.field-group[data-field]')?.querySelector(':scope > .add'));
  remove();
  add?.focus();
}

/** Whether something, or a part of it, is where the server says that a mistake is. @param {string} name @param {string} location */
export function isAt(name, location) {
  return location === name || (location.startsWith(`${name}[`) && /^\[\d+\]$/.test(location.slice(name.length)));
}

/** A dash for nothing. @param {string} words @param {Locale} locale */
export function orDash(words, locale) {
  return words || locale.t(terms.unknown);
}

// @ts-check
import { html, nothing } from '../../../../vendor/lit-html/lit-html.js';
import { labelFields } from '../../../components/registry/label-fields.js';
import { terms } from '../../../locale/terms.js';
import { textField } from '../../../components/form/fields.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rule-form.js').TypedScope} TypedScope
 */

/** The most exceptions that a rule may have. */
const mostExceptions = 16;

/**
 * The area, labels and devices by which devices are selected, or left out.
 *
 * @param {{scope: TypedScope, place: string, errorAt: (name: string) => string, session: Session, onChange: (scope: TypedScope) => void}} options Place begins the names of the fields.
 */
export function scopeFields({ scope, place, errorAt, session: { locale }, onChange }) {
  const change = (/** @type {Partial<TypedScope>} */ part) => onChange({ ...scope, ...part });
  return html`${textField({ name: `${place}area`, label: locale.t(terms.area), value: scope.area, list: 'rule-areas', longest: 1024, error: errorAt(`${place}area`), onType: (area) => change({ area }) })}
    ${labelFields({ labels: scope.labels, error: errorAt(`${place}labels`), onChange: (labels) => change({ labels }) }, locale)}
    ${textField({ name: `${place}devices`, label: locale.t(texts.fieldDevices), value: scope.devices, lines: 2, longest: 200_000, wide: true, error: errorAt(`${place}devices`), onType: (devices) => change({ devices }) })}`;
}

/**
 * What the rule does not watch of what it selects.
 *
 * @param {{except: TypedScope[], errorAt: (name: string) => string, session: Session, onChange: (except: TypedScope[]) => void}} options
 */
export function exceptFields({ except, errorAt, session, onChange }) {
  const { locale } = session;
  const error = errorAt('except');
  return html`<div class="exceptions wide">${except.map((scope, i) => html`<fieldset class="exception"><legend>${locale.t(texts.exception, { number: i + 1 })}</legend>
      <div class="rule-fields">${scopeFields({ scope, place: `except[${i}].`, errorAt, session, onChange: (changed) => onChange(except.map((one, k) => (k === i ? changed : one))) })}</div>
      <button type="button" class="link" @click=${() => onChange(except.filter((_, k) => k !== i))}>${locale.t(texts.exceptionRemove, { number: i + 1 })}</button></fieldset>`)}
    ${except.length < mostExceptions ? html`<button type="button" class="link" @click=${() => onChange([...except, { area: '', labels: [], devices: '' }])}>${locale.t(texts.exceptionAdd)}</button>` : nothing}
    ${error ? html`<p class="field-error">${error}</p>` : nothing}</div>`;
}

// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { kindName } from '../../../components/rule/words.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { areaPaths } from '../../../model/areas.js';
import { HistoryError } from '../../../model/history.js';
import { severities } from '../../../model/protocol.js';
import { needsType } from '../../../model/rule-form.js';
import { kinds } from '../../../model/rules.js';
import { conditionPart } from './condition-fields.js';
import { checkField, choiceField, spanField, textField } from '../../../components/form/fields.js';
import { MatchingDevices } from './matching-devices.js';
import { exceptFields, scopeFields } from './scope-fields.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rule-form.js').RuleForm} RuleForm
 * @typedef {import('../../../model/rule-form.js').MistakeKind} MistakeKind
 * @typedef {import('../../../model/rule-draft.js').RuleDraft} RuleDraft
 */

/** How many areas are offered. */
const offeredAreas = 1000;

/** @type {Record<MistakeKind, import('../../../locale/locale.js').Text>} */
const mistakeTexts = { number: texts.mistakeNumber, missing: texts.mistakeMissing, pair: texts.mistakePair };

/** A rule as a form. */
export class RuleEditor {
  #element;
  #session;
  #draft;
  #fresh;
  #matching;
  #areas;
  /** @type {string[]} */
  #offered = [];
  /** Whether also what is missing is marked, because it was to be saved or tried. */
  #checked = false;
  /** What the trial has refused. @type {unknown} */
  #refused = null;

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {{draft: RuleDraft, fresh: boolean, requests: import('../../../model/rule-requests.js').RuleRequests}} options Fresh: it is a new rule.
   * @param {AbortSignal} signal
   */
  constructor(element, session, { draft, fresh, requests }, signal) {
    this.#element = element;
    this.#session = session;
    this.#draft = draft;
    this.#fresh = fresh;
    this.#matching = new MatchingDevices(session, requests, () => this.show(), signal);
    this.#areas = session.ask((asking) => session.history.areas(asking), (areas) => (this.#offered = areaPaths(areas, offeredAreas)), signal);
    this.#areas.subscribe(() => this.show(), { signal });
  }

  /** Whether what was typed can be sent; otherwise says what is wrong with it, and goes to the first mistake. */
  check() {
    this.#checked = true;
    this.show();
    const wrong = this.#draft.typed.mistakes.length > 0 || (this.#fresh && this.#draft.name === '') || (needsType(this.#draft.value.kind) && this.#draft.value.type === '');
    if (wrong) this.focusMistake();
    return !wrong;
  }

  /** What the server has refused to try; null for nothing. @param {unknown} error */
  set refused(error) {
    if (error === this.#refused) return;
    this.#refused = error;
    this.show();
  }

  /** Goes to the first control that is marked as wrong. */
  focusMistake() {
    /** @type {HTMLElement | null} */ (this.#element.querySelector('[aria-invalid="true"]'))?.focus();
  }

  /** Goes to the first control, a frame after the form has been made: both lay it out, which is long for one frame. */
  focus() {
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (this.#element.querySelector('input, select'))?.focus());
  }

  /** The form is shown. */
  open() {
    this.#checked = false;
    this.#areas.load();
    this.show();
  }

  /** @param {Partial<RuleForm>} change */
  #change = (change) => {
    this.#refused = null;
    this.#draft.edit({ ...this.#draft.value, ...change });
  };

  /** What is wrong with a field; empty if nothing is. @param {string} name */
  #errorAt = (name) => {
    const { locale } = this.#session;
    const own = this.#draft.typed.mistakes.find(({ field, kind }) => field === name && (this.#checked || kind !== 'missing'));
    if (own) return locale.t(mistakeTexts[own.kind]);
    if (this.#checked && name === 'name' && this.#fresh && this.#draft.name === '') return locale.t(texts.mistakeMissing);
    if (this.#checked && name === 'device_type' && needsType(this.#draft.value.kind) && this.#draft.value.type === '') return locale.t(texts.mistakeType);
    const said = [this.#draft.error, this.#refused].flatMap((error) => (error instanceof HistoryError && error.status === 422 ? error.mistakes : []));
    return visible(said.find(({ location = '' }) => location.replace(/^body\.(rule\.)?/, '') === name)?.message ?? '');
  };

  /** Also in another language. */
  show() {
    if (this.#element.hidden) return;
    const { locale } = this.#session;
    const form = this.#draft.value;
    const offline = form.kind === 'offline';
    render(html`${this.#what(form)}
      ${offline ? nothing : html`<fieldset class="rule-part"><legend>${locale.t(texts.partWhen)}</legend><div class="rule-fields">
        ${conditionPart({ form, session: this.#session, errorAt: this.#errorAt, onChange: this.#change })}${this.#delays(form)}</div></fieldset>
      <fieldset class="rule-part"><legend>${locale.t(texts.partWhich)}</legend><div class="rule-fields">${this.#which(form)}</div></fieldset>`}
      <fieldset class="rule-part"><legend>${locale.t(texts.partSay)}</legend><div class="rule-fields">${this.#message(form, offline)}</div></fieldset>
      <datalist id="rule-areas">${this.#offered.map((area) => html`<option value=${area}></option>`)}</datalist>`, this.#element);
    if (!offline) this.#matching.ask(this.#draft.typed.body);
  }

  /** @param {RuleForm} form */
  #what(form) {
    const { locale } = this.#session;
    const known = /** @type {readonly string[]} */ (kinds).includes(form.kind);
    const offered = known ? kinds : [form.kind];
    return html`<div class="rule-fields rule-part">
      ${this.#fresh ? textField({ name: 'name', label: locale.t(texts.fieldName), value: form.name, longest: 128, wide: true, error: this.#errorAt('name'), hint: locale.t(texts.nameHint), onType: (name) => this.#change({ name }) }) : nothing}
      ${choiceField({ name: 'condition.kind', label: locale.t(texts.fieldKind), value: form.kind, error: this.#errorAt('condition.kind'), choices: offered.map((kind) => [kind, kindName(kind, locale)]), onChoose: (kind) => this.#change({ kind }) })}
      ${choiceField({ name: 'severity', label: locale.t(terms.severity), value: form.severity, error: this.#errorAt('severity'), choices: severities.map((one) => [one, locale.t(terms[one])]), onChoose: (severity) => this.#change({ severity: /** @type {typeof form.severity} */ (severity) }) })}
    </div>`;
  }

  /** @param {RuleForm} form */
  #delays(form) {
    const { locale } = this.#session;
    return html`<div class="rule-fields wide">${form.kind === 'no_data' ? nothing : spanField({ name: 'for_seconds', label: locale.t(texts.fieldFor), span: form.for, error: this.#errorAt('for_seconds'), onType: (span) => this.#change({ for: span }) }, locale)}
      ${spanField({ name: 'clear_for_seconds', label: locale.t(texts.fieldClearFor), span: form.clearFor, error: this.#errorAt('clear_for_seconds'), onType: (clearFor) => this.#change({ clearFor }) }, locale)}</div>
      ${checkField({ label: locale.t(texts.fieldLatch), checked: form.latch, onChange: (latch) => this.#change({ latch }) })}`;
  }

  /** @param {RuleForm} form */
  #which(form) {
    const session = this.#session;
    const { locale, plant } = session;
    /** @type {[string, string][]} */
    const types = [['', locale.t(needsType(form.kind) ? texts.chooseType : texts.anyType)], ...[...plant.specs.keys()].map((type) => /** @type {[string, string]} */ ([type, session.typeName(type)]))];
    if (form.type && !plant.specs.has(form.type)) types.push([form.type, visible(form.type)]);
    return html`${choiceField({ name: 'device_type', label: locale.t(terms.deviceType), value: form.type, choices: types, error: this.#errorAt('device_type'), onChoose: (type) => this.#change({ type }) })}
      ${scopeFields({ scope: form, place: '', errorAt: this.#errorAt, session, onChange: ({ area, labels, devices }) => this.#change({ area, labels, devices }) })}
      ${exceptFields({ except: form.except, errorAt: this.#errorAt, session, onChange: (except) => this.#change({ except }) })}
      <p class="soft wide" id="rule-matching">${this.#matching.words(this.#draft.typed.body)}</p>`;
  }

  /**
   * @param {RuleForm} form
   * @param {boolean} offline
   */
  #message(form, offline) {
    const { locale } = this.#session;
    const area = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ value, /** @type {(text: string) => void} */ onType, hint = '') =>
      textField({ name, label, value, lines: 2, error: this.#errorAt(name), hint, onType });
    return html`${offline ? nothing : html`${area('text', locale.t(texts.fieldTextZh), form.text, (text) => this.#change({ text }))}
        ${area('text_en', locale.t(texts.fieldTextEn), form.textEn, (textEn) => this.#change({ textEn }))}
        <p class="soft wide field-hint">${locale.t(texts.textHint, { braces: '{…}' })}</p>`}
      ${textField({ name: 'procedure', label: locale.t(texts.fieldProcedure), value: form.procedure, wide: true, error: this.#errorAt('procedure'), onType: (procedure) => this.#change({ procedure }) })}`;
  }
}

// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { decisionWords } from '../../../components/registry/decision.js';
import { kindName } from '../../../components/rule/words.js';
import { labelFields } from '../../../components/registry/label-fields.js';
import { partNames } from '../../../components/registry/words.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { areaPaths } from '../../../model/areas.js';
import { sameDisplay } from '../../../model/display.js';
import { EntryForm } from '../../../model/entry-form.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/device-list.js').Registered} Registered
 * @typedef {import('../../../model/entry.js').Mistake} Mistake
 * @typedef {import('../../../model/display.js').Display} Display
 * @typedef {import('../../../model/history.js').DeviceRule} DeviceRule
 * @typedef {import('../../../locale/locale.js').Locale} Locale
 * @typedef {import('../../../app/session.js').Session} Session
 */

/** The kinds of conditions whose threshold is a value of the device, and those whose threshold has no unit; that of others is a difference of values. */
const values = new Set(['threshold', 'average', 'maximum', 'minimum']);
const unitless = new Set(['count', 'fraction', 'of_last', 'expression']);

/** How many areas are offered. */
const offeredAreas = 1000;

/** What people have decided about the device, as a form. What is typed stays when somebody else changes the entry meanwhile. */
export class EntryPanel {
  #element;
  #session;
  #onOutdated;
  #onForget;
  #form;
  #areas;
  /** @type {string[]} */
  #offered = [];
  /** Where the device belongs if its entry says nothing. */
  #place = '';
  /** @type {Display | undefined} */
  #display;
  /** The device's type; empty while it is not known. */
  #type = '';
  /** The rules that watch it. @type {DeviceRule[]} */
  #watching = [];

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {{id: string, onOutdated: () => void, onForget: () => void}} device
   * @param {AbortSignal} signal
   */
  constructor(element, session, { id, onOutdated, onForget }, signal) {
    this.#element = element;
    this.#session = session;
    this.#onOutdated = onOutdated;
    this.#onForget = onForget;
    this.#form = new EntryForm(session.history, id, signal);
    this.#form.subscribe(() => this.show(), { signal });
    this.#areas = session.ask((asking) => session.history.areas(asking), (areas) => (this.#offered = areaPaths(areas, offeredAreas)), signal);
    this.#areas.subscribe(() => this.show(), { signal });
    this.#areas.load();
    session.unsaved.watch(() => this.#form.loss, signal);
  }

  /** @param {string} type */
  set type(type) {
    if (type === this.#type) return;
    this.#type = type;
    this.show();
  }

  /**
   * Takes over what the server knows.
   *
   * @param {{registered?: Registered, area?: string, display?: Display, alert_rules?: DeviceRule[]}} device
   */
  take({ alert_rules: rules = [], area = '', registered, display }) {
    const place = registered?.area ? '' : area;
    const others = JSON.stringify(rules) !== JSON.stringify(this.#watching);
    this.#watching = rules;
    if (others || place !== this.#place || !sameDisplay(display, this.#display)) {
      this.#place = place;
      this.#display = display;
      this.show();
    }
    this.#form.take(registered);
  }

  async #save() {
    await this.#form.save();
    // What is on its way was asked before.
    if (this.#element.isConnected) this.#onOutdated();
  }

  /** @param {Locale} locale */
  #outcome(locale) {
    const { outcome } = this.#form;
    switch (outcome?.kind) {
      case 'saved':
        return locale.t(texts.saved);
      case 'waiting':
        return locale.t(texts.savedWaiting);
      case 'conflict':
        return locale.t(texts.conflict);
      case 'changed':
        return locale.t(outcome.unsaved ? texts.changedUnsaved : texts.changedByOther, { parts: partNames(outcome.parts, locale) });
      case 'mistake':
        return mistakeWords(outcome.mistake, locale);
      case 'failed':
        return decisionWords(outcome.error, locale);
    }
    return '';
  }

  /** Also in another language. */
  show() {
    const { locale } = this.#session;
    const { busy, dirty, draft, outcome } = this.#form;
    const text = (/** @type {'name' | 'area' | 'unit' | 'interval' | 'parent'} */ name) => (/** @type {Event} */ event) => this.#form.type({ [name]: valueOf(event) });
    render(html`<form class="entry" @submit=${(/** @type {Event} */ event) => { event.preventDefault(); void this.#save(); }}>
      <label class="field"><span>${locale.t(terms.name)}</span>
        <input type="text" maxlength="128" autocomplete="off" spellcheck="false" .value=${draft.name} @input=${text('name')}></label>
      <label class="field"><span>${locale.t(terms.area)}</span>
        <input type="text" maxlength="1024" autocomplete="off" spellcheck="false" list="entry-areas" placeholder=${visible(this.#place) || locale.t(texts.entryAreaHint)} .value=${draft.area} @input=${text('area')}></label>
      <datalist id="entry-areas">${this.#offered.map((area) => html`<option value=${area}></option>`)}</datalist>
      ${labelFields({ labels: draft.labels, onChange: (labels) => this.#form.type({ labels }) }, locale)}
      ${this.#limits(locale)}
      <label class="field"><span>${locale.t(texts.entryUnit)}</span>
        <input type="text" maxlength="32" autocomplete="off" spellcheck="false" placeholder=${this.#session.plant.specs.get(this.#type)?.unit ?? ''} .value=${draft.unit} @input=${text('unit')}></label>
      <label class="field"><span>${locale.t(texts.entryInterval)}</span>
        <span class="with-unit"><input type="text" inputmode="decimal" maxlength="20" autocomplete="off" .value=${draft.interval} @input=${text('interval')}><span>${locale.t(texts.entrySeconds)}</span></span></label>
      <label class="field"><span>${locale.t(texts.entryParent)}</span>
        <input type="text" maxlength="128" autocomplete="off" spellcheck="false" placeholder=${locale.t(texts.entryParentHint)} .value=${draft.parent} @input=${text('parent')}></label>
      <label class="check"><input type="checkbox" .checked=${draft.retired} @change=${(/** @type {Event} */ event) => this.#form.type({ retired: /** @type {HTMLInputElement} */ (event.target).checked })}>
        <span>${locale.t(texts.entryRetired)}</span></label>
      <p class="entry-outcome" role="status" data-kind=${outcome?.kind ?? ''}>${this.#outcome(locale)}</p>
      <div class="entry-buttons">
        <button type="submit" class="button button-main" ?disabled=${!dirty || busy}>${locale.t(busy ? texts.saving : texts.save)}</button>
        <button type="button" class="button" ?hidden=${!dirty} @click=${() => this.#form.reset()}>${locale.t(texts.discard)}</button>
        <button type="button" class="button button-danger" @click=${() => this.#onForget()}>${locale.t(texts.forget)}</button>
      </div>
    </form>`, this.#element);
  }

  /** @param {Locale} locale */
  #limits(locale) {
    const spec = this.#session.plant.specs.get(this.#type);
    const rules = this.#rules;
    // Own limits of rules that do not watch it now can still be removed.
    const others = this.#form.draft.limits.filter(([rule, limit]) => !rules.some(({ alert_type: name }) => name === rule) && (limit !== '' || this.#form.base.limits?.[rule] !== undefined));
    if (rules.length + others.length === 0) return nothing;
    const line = (/** @type {string} */ rule, /** @type {string} */ words, /** @type {string} */ usual, kind = 'threshold') => {
      const [, limit = ''] = this.#form.draft.limits.find(([name]) => name === rule) ?? [];
      return html`<label class="limit"><span title=${visible(rule)}>${words}</span>
        <span class="with-unit"><input type="text" inputmode="decimal" maxlength="24" autocomplete="off" placeholder=${usual} .value=${limit} @input=${(/** @type {Event} */ event) => this.#limit(rule, valueOf(event))}><span>${unitless.has(kind) ? '' : (spec?.unit ?? '')}</span></span>${values.has(kind) ? this.#inOwnUnit(limit || usual, spec) : nothing}</label>`;
    };
    return html`<fieldset class="field-group"><legend>${locale.t(terms.ownLimits)}</legend>
      ${rules.map((rule) => line(rule.alert_type, this.#limitWords(rule, locale), String(rule.usual_threshold ?? rule.threshold), rule.kind))}
      ${others.map(([rule]) => line(rule, visible(rule), ''))}
    </fieldset>`;
  }

  /**
   * Which limit it is: of a value by its severity, if no other rule is as severe, and of anything else by the rule's name.
   *
   * @param {DeviceRule} rule
   * @param {Locale} locale
   */
  #limitWords({ alert_type: name, below = false, kind, severity }, locale) {
    if (kind !== 'threshold') return `${visible(name)} (${kindName(kind, locale)})`;
    const words = locale.t(below ? texts.limitBelow : texts.limitAbove, { severity: locale.t(terms[severity]) });
    const alike = this.#rules.filter((other) => other.kind === kind && other.severity === severity && (other.below ?? false) === below);
    return alike.length > 1 ? `${words} (${visible(name)})` : words;
  }

  /**
   * A limit in the unit in which the device's values are shown: limits are in that of its type.
   *
   * @param {string} limit
   * @param {import('../../../model/protocol.js').TypeSpec | undefined} spec
   */
  #inOwnUnit(limit, spec) {
    const display = this.#display;
    const value = Number(limit);
    if (!display || limit.trim() === '' || !Number.isFinite(value)) return nothing;
    return html`<span class="limit-shown">= ${this.#session.locale.reading(value, spec, display)}</span>`;
  }

  /** The rules whose thresholds the device may have its own of. */
  get #rules() {
    return this.#watching.filter(({ threshold }) => threshold !== undefined);
  }

  /**
   * @param {string} rule
   * @param {string} limit
   */
  #limit(rule, limit) {
    const { limits } = this.#form.draft;
    const known = limits.some(([name]) => name === rule);
    this.#form.type({ limits: known ? limits.map((one) => (one[0] === rule ? [rule, limit] : one)) : [...limits, [rule, limit]] });
  }
}

/** @param {Event} event */
function valueOf(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/**
 * @param {Mistake} mistake
 * @param {Locale} locale
 */
function mistakeWords({ field, kind, name }, locale) {
  if (kind === 'nameless') return locale.t(texts.labelNameless);
  if (kind === 'twice') return locale.t(texts.labelTwice, { name: visible(name) });
  return field === 'interval' ? locale.t(terms.intervalWrong) : locale.t(texts.limitWrong, { rule: visible(name) });
}

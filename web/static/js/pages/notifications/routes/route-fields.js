// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { checkField, spanField, textField } from '../../../components/form/fields.js';
import { checksField, isAt, namesField, removeButton, removed, timesField } from '../../../components/form/groups.js';
import { numberMistake } from '../../../components/notifications/words.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { severities } from '../../../model/protocol.js';
import { groupings, readRoute } from '../../../model/route-form.js';
import { groupName } from '../words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/route-form.js').RouteForm} RouteForm
 * @typedef {import('../../../model/route-form.js').TypedStep} TypedStep
 * @typedef {import('../../../model/notifications.js').Span} Span
 *
 * @typedef {object} Offered What can be chosen.
 * @property {string[]} channels
 * @property {string[]} calendars
 * @property {string[]} areas
 * @property {string[]} rules
 */

/** The ids of the controls begin so. */
const form = 'route';

/** @type {Span} */
const blankTimes = { days: [], from: '', to: '' };

/** A route as a form. */
export class RouteFields {
  #element;
  #session;
  #onChange;
  /** @type {RouteForm | null} */
  #route = null;
  /** @type {Offered} */
  #offered = { channels: [], calendars: [], areas: [], rules: [] };
  /** What the server has refused of this route. @type {{field: string, message: string}[]} */
  #refused = [];

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {(route: RouteForm) => void} onChange
   */
  constructor(element, session, onChange) {
    this.#element = element;
    this.#session = session;
    this.#onChange = onChange;
  }

  focus() {
    /** @type {HTMLElement | null} */ (this.#element.querySelector('input'))?.focus();
  }

  /** Goes to the first control that is marked as wrong. */
  focusMistake() {
    const wrong = this.#element.querySelector('[aria-invalid="true"], [data-invalid="true"]');
    /** @type {HTMLElement | null} */ (wrong)?.focus();
  }

  /** @param {Partial<RouteForm>} change */
  #change = (change) => {
    if (this.#route) this.#onChange({ ...this.#route, ...change });
  };

  /** What is wrong with a field; empty if nothing is. @param {string} name */
  #errorAt = (name) => {
    const { locale } = this.#session;
    const own = this.#route && readRoute(this.#route).mistakes.find(({ field }) => field === name);
    if (own) return own.kind === 'number' ? numberMistake(locale) : locale.t(texts.mistakeLabels);
    const said = this.#refused.find(({ field }) => isAt(name, field) || (name === 'labels' && field.startsWith('labels')));
    return visible(said?.message ?? '');
  };

  /**
   * Also in another language.
   *
   * @param {RouteForm | null} route
   * @param {Offered} offered
   * @param {{field: string, message: string}[]} refused
   */
  show(route, offered, refused) {
    const { locale } = this.#session;
    this.#route = route;
    this.#offered = offered;
    this.#refused = refused;
    if (!route) {
      render(html`<p class="empty">${locale.t(texts.chooseRoute)}</p>`, this.#element);
      return;
    }
    const options = (/** @type {string} */ id, /** @type {string[]} */ values) => html`<datalist id=${id}>${values.map((value) => html`<option value=${value}></option>`)}</datalist>`;
    render(html`${this.#part(texts.partRoute, this.#name(route))}${this.#part(texts.partAlerts, this.#which(route))}${this.#part(texts.partWho, this.#who(route))}
      ${this.#part(texts.partHow, this.#how(route))}${this.#part(texts.partEscalate, this.#steps(route))}${this.#part(texts.partQuiet, this.#quiet(route))}
      ${options('route-list-areas', offered.areas)}${options('route-list-rules', offered.rules)}${options('route-list-types', [...this.#session.plant.specs.keys()])}`, this.#element);
  }

  /**
   * @param {import('../../../locale/locale.js').Text} text
   * @param {unknown} fields
   */
  #part(text, fields) {
    return html`<fieldset class="rule-part"><legend>${this.#session.locale.t(text)}</legend><div class="rule-fields">${fields}</div></fieldset>`;
  }

  /** @param {RouteForm} route */
  #name(route) {
    const { locale } = this.#session;
    return html`${textField({ name: 'name', form, label: locale.t(texts.nameRoute), value: route.name, longest: 63, wide: true, error: this.#errorAt('name'), hint: locale.t(texts.nameRouteHint), onType: (name) => this.#change({ name }) })}
      ${checkField({ label: locale.t(texts.fieldDisabled), checked: route.disabled, onChange: (disabled) => this.#change({ disabled }) })}`;
  }

  /** @param {RouteForm} route */
  #which(route) {
    const { locale } = this.#session;
    const names = (/** @type {'areas' | 'types' | 'rules' | 'labels' | 'tenants'} */ name, /** @type {import('../../../locale/locale.js').Text} */ text, list = '', called = visible) =>
      namesField({ name, form, label: locale.t(text), values: route[name], called, ...(list && { list }), error: this.#errorAt(name), hint: locale.t(texts.addsHint), onChange: (values) => this.#change({ [name]: values }) }, locale);
    return html`<p class="soft wide">${locale.t(texts.whichHint)}</p>
      ${checksField({ name: 'severities', form, label: locale.t(texts.fieldSeverities), choices: severities.map((one) => [one, locale.t(terms[one])]), chosen: route.severities, error: this.#errorAt('severities'),
        onChange: (chosen) => this.#change({ severities: /** @type {RouteForm['severities']} */ (chosen) }) })}
      ${names('areas', texts.fieldAreas, 'route-list-areas')}${names('types', texts.fieldTypes, 'route-list-types', (type) => this.#session.typeName(type))}
      ${names('rules', texts.fieldRules, 'route-list-rules')}${names('labels', texts.fieldLabels)}${names('tenants', texts.fieldTenants)}
      ${timesField({ name: 'times', form, label: locale.t(texts.fieldTimes), spans: route.times, blank: blankTimes, errorAt: this.#errorAt, add: locale.t(texts.addTimes), onChange: (times) => this.#change({ times }) }, locale)}
      ${textField({ name: 'time_zone', form, label: locale.t(texts.fieldZone), value: route.zone, wide: true, list: 'plan-zones', error: this.#errorAt('time_zone'), onType: (zone) => this.#change({ zone }) })}`;
  }

  /**
   * Who is notified: channels, and calendars.
   *
   * @param {{channels: string[], onCall: string[]}} who
   * @param {string} place
   * @param {[import('../../../locale/locale.js').Text, import('../../../locale/locale.js').Text]} words
   * @param {(change: {channels?: string[], onCall?: string[]}) => void} set
   */
  #targets(who, place, [channels, calendars], set) {
    const { locale } = this.#session;
    const own = (/** @type {string[]} */ names) => names.map((name) => /** @type {[string, string]} */ ([name, visible(name)]));
    return html`${checksField({ name: `${place}channels`, form, label: locale.t(channels), choices: own(this.#offered.channels), chosen: who.channels, none: locale.t(texts.noChannelsHere),
      error: this.#errorAt(`${place}channels`), onChange: (chosen) => set({ channels: chosen }) })}
      ${checksField({ name: `${place}on_call`, form, label: locale.t(calendars), choices: own(this.#offered.calendars), chosen: who.onCall, none: locale.t(texts.noCalendarsHere),
        error: this.#errorAt(`${place}on_call`), onChange: (chosen) => set({ onCall: chosen }) })}`;
  }

  /** @param {RouteForm} route */
  #who(route) {
    return html`${this.#targets(route, '', [texts.fieldChannels, texts.fieldOnCall], this.#change)}
      ${checkField({ label: this.#session.locale.t(texts.fieldGoesOn), checked: route.goesOn, onChange: (goesOn) => this.#change({ goesOn }) })}`;
  }

  /** @param {RouteForm} route */
  #how(route) {
    const { locale } = this.#session;
    const span = (/** @type {'wait' | 'interval' | 'repeat'} */ key, /** @type {import('../../../locale/locale.js').Text} */ text, hint = '') =>
      spanField({ name: `${key}_seconds`, form, label: locale.t(text), span: route[key], hint, error: this.#errorAt(`${key}_seconds`), onType: (typed) => this.#change({ [key]: typed }) }, locale);
    return html`${span('wait', texts.fieldWait)}${span('interval', texts.fieldInterval)}${span('repeat', texts.fieldRepeat, locale.t(texts.repeatHint))}
      ${checksField({ name: 'group_by', form, label: locale.t(texts.fieldGroups), choices: groupings.map((part) => [part, groupName(part, locale)]), chosen: route.groupBy, hint: locale.t(texts.groupsHint),
        error: this.#errorAt('group_by'), onChange: (groupBy) => this.#change({ groupBy }) })}`;
  }

  /** @param {RouteForm} route */
  #steps({ steps }) {
    const { locale } = this.#session;
    const set = (/** @type {number} */ i, /** @type {Partial<TypedStep>} */ change) => this.#change({ steps: steps.map((step, j) => (i === j ? { ...step, ...change } : step)) });
    const last = steps.at(-1)?.after ?? { text: '', unit: 60 };
    const error = this.#errorAt('escalate');
    return html`<div class="field-group wide" data-field="escalate">${steps.map((step, i) => html`<fieldset class="rule-part step"><legend>${locale.t(texts.stepNumber, { number: i + 1 })}</legend><div class="rule-fields">
        ${spanField({ name: `escalate[${i}].after_seconds`, form, label: locale.t(texts.stepAfter), span: step.after, error: this.#errorAt(`escalate[${i}].after_seconds`), onType: (after) => set(i, { after }) }, locale)}
        <div class="step-remove">${removeButton(locale.t(texts.stepRemove, { number: i + 1 }), (event) => removed(event, () => this.#change({ steps: steps.toSpliced(i, 1) })))}</div>
        ${this.#targets(step, `escalate[${i}].`, [texts.stepChannels, texts.stepOnCall], (change) => set(i, change))}</div></fieldset>`)}
      ${error ? html`<p class="field-error">${error}</p>` : nothing}
      ${steps.length < 10 ? html`<button type="button" class="link add" @click=${() => this.#change({ steps: [...steps, { after: { text: steps.length > 0 ? '' : '15', unit: last.unit }, channels: [], onCall: [] }] })}>${locale.t(texts.stepAdd)}</button>` : nothing}</div>`;
  }

  /** @param {RouteForm} route */
  #quiet(route) {
    const { locale } = this.#session;
    return timesField({ name: 'quiet', form, label: locale.t(texts.fieldQuiet), hint: locale.t(texts.quietHint), spans: route.quiet, blank: blankTimes, errorAt: this.#errorAt, add: locale.t(texts.addQuiet), onChange: (quiet) => this.#change({ quiet }) }, locale);
  }
}

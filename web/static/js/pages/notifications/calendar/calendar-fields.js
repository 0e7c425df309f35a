// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { checkField, labelled, textField, typedIn } from '../../../components/form/fields.js';
import { checksField, isAt, namesField, removeButton, removed, timesField } from '../../../components/form/groups.js';
import { numberMistake } from '../../../components/notifications/words.js';
import { visible } from '../../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/calendar-form.js').CalendarForm} CalendarForm
 * @typedef {import('../../../model/notifications.js').Shift} Shift
 * @typedef {import('../../../model/notifications.js').Override} Override
 * @typedef {import('../../../locale/locale.js').Text} Text
 */

/** The ids of the controls begin so. */
const form = 'calendar';

/** @type {Shift} */
const blankShift = { days: [], from: '', to: '', channels: [] };

/** A calendar as a form. */
export class CalendarFields {
  #element;
  #session;
  #draft;
  #fresh;
  /** @type {string[]} */
  #channels = [];
  /** What the server has refused. @type {{field: string, message: string}[]} */
  #refused = [];
  /** Whether what is wrong with what was typed is said, because it was to be saved. */
  #checked = false;

  /**
   * @param {HTMLElement} element
   * @param {import('../../../app/session.js').Session} session
   * @param {{draft: import('../../../model/calendar-draft.js').CalendarDraft, fresh: boolean}} options Fresh: it is a new one.
   */
  constructor(element, session, { draft, fresh }) {
    this.#element = element;
    this.#session = session;
    this.#draft = draft;
    this.#fresh = fresh;
  }

  focus() {
    /** @type {HTMLElement | null} */ (this.#element.querySelector('input'))?.focus();
  }

  /** Goes to the first control that is marked as wrong. */
  focusMistake() {
    /** @type {HTMLElement | null} */ (this.#element.querySelector('[aria-invalid="true"], [data-invalid="true"]'))?.focus();
  }

  /** Whether what was typed can be sent; otherwise says what is wrong with it. */
  check() {
    this.#checked = this.#draft.typed.mistakes.length > 0;
    this.show(this.#channels, this.#refused);
    if (this.#checked) this.focusMistake();
    return !this.#checked;
  }

  /** @param {Partial<CalendarForm>} change */
  #change = (change) => {
    this.#draft.edit({ ...this.#draft.value, ...change });
  };

  /** What is wrong with a field; empty if nothing is. @param {string} name */
  #errorAt = (name) => {
    if (this.#checked && this.#draft.typed.mistakes.some(({ field }) => field === name)) return numberMistake(this.#session.locale);
    return visible(this.#refused.find(({ field }) => isAt(name, field))?.message ?? '');
  };

  /**
   * Also in another language.
   *
   * @param {string[]} channels
   * @param {{field: string, message: string}[]} refused
   */
  show(channels, refused) {
    const { locale } = this.#session;
    this.#channels = channels;
    this.#refused = refused;
    const value = this.#draft.value;
    const part = (/** @type {Text} */ text, /** @type {unknown} */ fields) => html`<fieldset class="rule-part"><legend>${locale.t(text)}</legend><div class="rule-fields">${fields}</div></fieldset>`;
    render(html`<p class="soft">${locale.t(texts.formOrder)}</p>
      ${part(texts.partCalendar, html`${this.#fresh ? textField({ name: 'name', form, label: locale.t(texts.nameCalendar), value: value.name, longest: 63, wide: true, error: this.#errorAt('name'), hint: locale.t(texts.nameHints), onType: (name) => this.#change({ name }) }) : nothing}
        ${textField({ name: 'time_zone', form, label: locale.t(texts.calendarZoneField), value: value.zone, wide: true, list: 'plan-zones', error: this.#errorAt('time_zone'), onType: (zone) => this.#change({ zone }) })}`)}
      ${part(texts.partOtherwise, this.#who('otherwise', texts.otherwiseWho, value.otherwise, (otherwise) => this.#change({ otherwise })))}
      ${part(texts.partRotation, this.#rotation(value))}
      ${part(texts.partShifts, timesField({
        name: 'shifts', form, label: locale.t(texts.shiftTimes), hint: locale.t(texts.shiftHint), spans: value.shifts, blank: blankShift, errorAt: this.#errorAt, add: locale.t(texts.shiftAdd),
        more: (shift, set, i) => this.#who(`shifts[${i}].channels`, texts.shiftWho, shift.channels, (chosen) => set({ channels: chosen })), onChange: (shifts) => this.#change({ shifts }),
      }, locale))}
      ${part(texts.partOverrides, this.#overrides(value))}
      <datalist id="calendar-channels">${channels.map((name) => html`<option value=${name}></option>`)}</datalist>`, this.#element);
  }

  /**
   * @param {string} name
   * @param {Text} text
   * @param {string[]} chosen
   * @param {(chosen: string[]) => void} onChange
   */
  #who(name, text, chosen, onChange) {
    const { locale } = this.#session;
    return checksField({ name, form, label: locale.t(text), choices: this.#channels.map((one) => [one, visible(one)]), chosen, none: locale.t(texts.noChannelThere), error: this.#errorAt(name), onChange });
  }

  /**
   * A time by the clocks of the calendar.
   *
   * @param {string} name
   * @param {Text} text
   * @param {string} value
   * @param {(value: string) => void} onType
   */
  #moment(name, text, value, onType) {
    return labelled({ name, form, label: this.#session.locale.t(text), error: this.#errorAt(name) }, ({ id, invalid, described }) => html`<input type="datetime-local" id=${id} aria-invalid=${invalid} aria-describedby=${described}
      .value=${value} @input=${(/** @type {Event} */ event) => onType(typedIn(event))}>`);
  }

  /** @param {CalendarForm} value */
  #rotation({ order, rotates, start, turn }) {
    const { locale } = this.#session;
    return html`${checkField({ label: locale.t(texts.rotates), checked: rotates, onChange: (on) => this.#change({ rotates: on }) })}
      ${rotates ? html`${this.#moment('rotation.start', texts.rotationStart, start, (typed) => this.#change({ start: typed }))}
        ${textField({ name: 'rotation.days', form, label: locale.t(texts.rotationDays), value: turn, numeric: true, longest: 6, error: this.#errorAt('rotation.days'), onType: (typed) => this.#change({ turn: typed }) })}
        ${namesField({ name: 'rotation.channels', form, wide: true, label: locale.t(texts.rotationWho), values: order, list: 'calendar-channels', hint: locale.t(texts.rotationHint), error: this.#errorAt('rotation.channels'), onChange: (names) => this.#change({ order: names }) }, locale)}` : nothing}`;
  }

  /** @param {CalendarForm} value */
  #overrides({ overrides }) {
    const { locale } = this.#session;
    const set = (/** @type {number} */ i, /** @type {Partial<Override>} */ change) => this.#change({ overrides: overrides.map((one, j) => (i === j ? { ...one, ...change } : one)) });
    return html`<div class="field-group wide" data-field="overrides">${overrides.map(({ from, until, channels }, i) => html`<fieldset class="rule-part step"><legend>${locale.t(texts.overrideNumber, { number: i + 1 })}</legend><div class="rule-fields">
        ${this.#moment(`overrides[${i}].from`, texts.overrideFrom, from, (typed) => set(i, { from: typed }))}${this.#moment(`overrides[${i}].until`, texts.overrideUntil, until, (typed) => set(i, { until: typed }))}
        ${this.#who(`overrides[${i}].channels`, texts.overrideWho, channels, (chosen) => set(i, { channels: chosen }))}
        <div class="step-remove">${removeButton(locale.t(texts.overrideRemove, { number: i + 1 }), (event) => removed(event, () => this.#change({ overrides: overrides.toSpliced(i, 1) })))}</div></div></fieldset>`)}
      <button type="button" class="link add" @click=${() => this.#change({ overrides: [...overrides, { from: '', until: '', channels: [] }] })}>${locale.t(texts.overrideAdd)}</button></div>`;
  }
}

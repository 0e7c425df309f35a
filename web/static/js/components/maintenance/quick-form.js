// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { areaPaths } from '../../model/areas.js';
import { DecisionDraft } from '../../model/decision-draft.js';
import { Decisions } from '../../model/decisions.js';
import { everyDevice } from '../../model/devices.js';
import { beginningNow } from '../../model/maintenance.js';
import { decisionWords } from '../registry/decision.js';
import { reasonList } from './reasons.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/maintenance.js').Target} Target
 * @typedef {import('../../app/session.js').Session} Session
 */

/** How long maintenance may be that begins at once, in seconds, and what is offered first. */
const spans = [1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600, 7 * 86400];
const usualSpan = 2 * 3600;

/** How many areas and devices are offered. */
const offeredAreas = 1000;
const offeredDevices = 20;

/** @type {[Target['kind'], import('../../locale/locale.js').Text][]} */
const kinds = [['area', texts.quickArea], ['device', texts.quickDevice], ['type', texts.quickType], ['all', texts.wholePlant]];

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement} */ (event.target).value;

/** Begins maintenance at once, with one press. */
export class QuickForm {
  #element;
  #session;
  #onBegun;
  #draft;
  #areas;
  /** What it is about if that is not to be chosen. @type {Target | null} */
  #fixed;
  /** @type {Target} */
  #target;
  #seconds = usualSpan;
  #reason = '';
  /** What is missing. @type {'' | 'target' | 'reason'} */
  #missing = '';
  /** What has begun last, and when it ends. @type {{target: Target, until: number, inForce: boolean} | null} */
  #begun = null;
  /** @type {string[]} */
  #offered = [];

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {{fixed?: Target, onBegun: () => void}} options What it is about, unless people are to choose; what to call when maintenance has begun.
   * @param {AbortSignal} signal
   */
  constructor(element, session, { fixed, onBegun }, signal) {
    this.#element = element;
    this.#session = session;
    this.#fixed = fixed ?? null;
    this.#target = fixed ?? { kind: 'area', value: '' };
    this.#onBegun = onBegun;
    /** @type {import('../../model/maintenance.js').MaintenanceDecisions} */
    const decisions = new Decisions(session.history, 'maintenance');
    this.#draft = new DecisionDraft(decisions, signal);
    this.#draft.subscribe(() => this.show(), { signal });
    session.unsaved.watch(() => (this.#draft.busy ? 'saving' : ''), signal);
    this.#areas = session.ask((asking) => session.history.areas(asking), (areas) => (this.#offered = areaPaths(areas, offeredAreas)), signal);
    this.#areas.subscribe(() => this.show(), { signal });
    if (!fixed) this.#areas.load();
  }

  /** Forgets what was said about the last one. */
  reset() {
    this.#begun = null;
    this.#missing = '';
    this.#reason = '';
    this.#draft.begin(0);
  }

  async #begin() {
    const { clock, locale } = this.#session;
    const target = { ...this.#target, value: this.#target.value.trim() };
    const reason = this.#reason.trim();
    this.#missing = target.kind !== 'all' && !target.value ? 'target' : reason ? '' : 'reason';
    this.#begun = null;
    this.show();
    if (this.#missing) {
      /** @type {HTMLElement | null} */ (this.#element.querySelector('[aria-invalid="true"]'))?.focus();
      return;
    }
    const now = clock.now();
    const { name, body } = beginningNow(target, { seconds: this.#seconds, reason, now, all: locale.t(texts.wholePlant) });
    this.#draft.begin(0);
    const made = await this.#draft.apply(name, body);
    if (!made) return;
    this.#begun = { target, until: now + this.#seconds * 1000, inForce: made.in_force };
    this.#reason = '';
    if (!this.#fixed) this.#target = { ...this.#target, value: '' };
    this.show();
    this.#onBegun();
  }

  /** What has become of the last press. */
  get #said() {
    const { clock, locale } = this.#session;
    if (!this.#begun) return '';
    const { inForce, target: { kind, value }, until } = this.#begun;
    if (!inForce) return locale.t(texts.decidedLater);
    const what = kind === 'all' ? locale.inline(texts.wholePlant) : kind === 'type' ? this.#session.typeName(value) : visible(value);
    return locale.t(texts.quickBegun, { what, time: locale.timeOrDate(until, clock.now()) });
  }

  /** Also in another language. */
  show() {
    const { locale } = this.#session;
    const { busy, error } = this.#draft;
    const problem = this.#missing ? locale.t(this.#missing === 'target' ? texts.quickMissing : texts.quickReasonMissing) : error ? decisionWords(error, locale, texts.changedByOthers) : '';
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#begin();
    };
    render(html`<form class="quick" @submit=${submit}>
      ${this.#fixed ? nothing : this.#what()}
      <label class="field quick-span"><span>${locale.t(texts.quickSpan)}</span>
        <select @change=${(/** @type {Event} */ event) => (this.#seconds = Number(valueOf(event)))}>
          ${spans.map((seconds) => html`<option value=${seconds} ?selected=${seconds === this.#seconds}>${locale.duration(seconds * 1000)}</option>`)}
        </select></label>
      <label class="field quick-reason"><span>${locale.t(terms.reason)}</span>
        <input type="text" name="reason" maxlength="256" autocomplete="off" list="quick-reasons" aria-required="true" aria-invalid=${this.#missing === 'reason'}
          aria-describedby=${this.#missing === 'reason' ? 'quick-problem' : nothing} .value=${this.#reason} @input=${(/** @type {Event} */ event) => this.#because(valueOf(event))}></label>
      ${reasonList('quick-reasons', locale)}
      <button type="submit" class="button button-main" ?disabled=${busy}>${locale.t(texts.quickBegin)}</button>
      ${problem ? html`<p class="question-problem quick-words" role="alert" id="quick-problem">${problem}</p>` : nothing}
      <p class="quick-words quick-said" role="status">${this.#said}</p>
    </form>`, this.#element);
  }

  /** @param {string} reason */
  #because(reason) {
    this.#reason = reason;
    if (this.#missing !== 'reason') return;
    this.#missing = '';
    this.show();
  }

  #what() {
    const { locale, plant } = this.#session;
    const { kind, value } = this.#target;
    const change = (/** @type {Partial<Target>} */ target) => {
      this.#target = { ...this.#target, ...target };
      this.#missing = '';
      this.show();
    };
    const missing = this.#missing === 'target';
    const described = missing ? 'quick-problem' : nothing;
    const which = kind === 'type'
      ? html`<select name="which" aria-invalid=${missing} aria-describedby=${described} @change=${(/** @type {Event} */ event) => change({ value: valueOf(event) })}>
          <option value="" ?selected=${!value}></option>
          ${[...plant.specs.keys()].map((type) => html`<option value=${type} ?selected=${type === value}>${this.#session.typeName(type)}</option>`)}
        </select>`
      : html`<input type="text" name="which" aria-invalid=${missing} aria-describedby=${described} maxlength="1024" autocomplete="off" spellcheck="false" list=${kind === 'area' ? 'quick-areas' : 'quick-devices'} .value=${value}
          @input=${(/** @type {Event} */ event) => change({ value: valueOf(event) })}>`;
    const devices = kind === 'device' && value ? this.#session.devices.newest({ ...everyDevice, query: value }, offeredDevices) : [];
    return html`<label class="field quick-kind"><span>${locale.t(texts.quickKind)}</span>
        <select name="kind" @change=${(/** @type {Event} */ event) => change({ kind: /** @type {Target['kind']} */ (valueOf(event)), value: '' })}>
          ${kinds.map(([name, text]) => html`<option value=${name} ?selected=${name === kind}>${locale.t(text)}</option>`)}
        </select></label>
      ${kind === 'all' ? nothing : html`<label class="field quick-which"><span>${locale.t(texts.quickValue)}</span>${which}</label>`}
      <datalist id="quick-areas">${this.#offered.map((area) => html`<option value=${area}></option>`)}</datalist>
      <datalist id="quick-devices">${devices.map(({ device_id: id }) => html`<option value=${id}></option>`)}</datalist>`;
  }
}

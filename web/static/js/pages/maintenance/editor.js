// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { texts as shared } from '../../components/maintenance/texts.js';
import { reasonList } from '../../components/maintenance/reasons.js';
import { dayNames, scopeWords, weeklyWords, whenWords } from '../../components/maintenance/words.js';
import { decisionWords } from '../../components/registry/decision.js';
import { decidedBy } from '../../components/versions/decided-by.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { areaPaths } from '../../model/areas.js';
import { DecisionDraft } from '../../model/decision-draft.js';
import { blankPlan, bodyOf, days, draftOf } from '../../model/maintenance.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/maintenance.js').Maintenance} Maintenance
 * @typedef {import('../../model/maintenance.js').PlanDraft} PlanDraft
 * @typedef {import('../../model/maintenance.js').ScopeDraft} ScopeDraft
 */

/** @type {Record<import('../../model/maintenance.js').PlanMistake, import('../../locale/locale.js').Text>} */
const mistakes = { name: texts.mistakeName, reason: shared.quickReasonMissing, periods: texts.mistakePeriods, order: texts.mistakeOrder, days: texts.mistakeDays, times: texts.mistakeTimes };

/** How many areas are offered. */
const offeredAreas = 1000;

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement} */ (event.target).value;

/** Plans maintenance, or changes it. What is typed stays when somebody else has decided meanwhile. */
export class Editor {
  #dialog;
  #session;
  #decisions;
  #onDecided;
  #draft;
  #areas;
  #versions;
  /** What is changed; null for something new. @type {Maintenance | null} */
  #plan = null;
  /** @type {PlanDraft} */
  #typed;
  /** As it was opened. */
  #opened = '';
  /** @type {import('../../model/maintenance.js').PlanMistake | null} */
  #mistake = null;
  /** @type {string[]} */
  #offered = [];
  /** @type {import('../../model/decisions.js').DecidedVersion<Maintenance>[]} */
  #decided = [];

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Session} session
   * @param {{decisions: import('../../model/maintenance.js').MaintenanceDecisions, onDecided: (name: string, inForce: boolean) => void}} options
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, { decisions, onDecided }, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#decisions = decisions;
    this.#onDecided = onDecided;
    this.#typed = this.#blank;
    this.#draft = new DecisionDraft(decisions, signal);
    this.#areas = session.ask((asking) => session.history.areas(asking), (areas) => (this.#offered = areaPaths(areas, offeredAreas)), signal);
    this.#versions = session.ask((asking) => this.#decisions.versions(this.#plan?.name ?? '', asking), ({ items }) => (this.#decided = items), signal);
    for (const store of [this.#draft, this.#areas, this.#versions]) store.subscribe(() => this.show(), { signal });
    session.unsaved.watch(() => (this.#draft.busy ? 'saving' : dialog.open && JSON.stringify(this.#typed) !== this.#opened ? 'typed' : ''), signal);
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  get #blank() {
    return blankPlan(this.#session.clock.now(), Intl.DateTimeFormat().resolvedOptions().timeZone);
  }

  /** @param {Maintenance | null} plan Null for something new. */
  open(plan) {
    if (!this.#draft.busy) {
      this.#plan = plan;
      this.#typed = plan ? draftOf(plan, this.#blank) : this.#blank;
      this.#opened = JSON.stringify(this.#typed);
      this.#mistake = null;
      this.#decided = [];
      this.#versions.cancel();
      this.#draft.begin(plan?.version ?? 0);
      this.#areas.load();
      if (plan) this.#versions.load();
    }
    this.#dialog.showModal();
    this.show();
    /** @type {HTMLElement | null} */ (this.#dialog.querySelector(plan ? '[name="reason"]' : '[name="name"]'))?.focus();
  }

  /** @param {Partial<PlanDraft>} change */
  #type(change) {
    this.#typed = { ...this.#typed, ...change };
    this.#mistake = null;
    this.show();
  }

  async #save() {
    const made = bodyOf(this.#typed, this.#plan);
    this.#mistake = 'mistake' in made ? made.mistake : null;
    this.show();
    if ('mistake' in made) {
      /** @type {HTMLElement | null} */ (this.#dialog.querySelector('[aria-invalid="true"]'))?.focus();
      return;
    }
    const name = this.#typed.name.trim();
    const decided = await this.#draft.apply(name, made.body);
    if (!decided) return;
    this.#opened = JSON.stringify(this.#typed);
    this.#dialog.close();
    this.#onDecided(name, decided.in_force);
  }

  #overrule() {
    this.#draft.overrule();
    void this.#save();
  }

  /** Also in another language. */
  show() {
    if (!this.#dialog.open) return;
    const { locale } = this.#session;
    const { busy, theirs } = this.#draft;
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#save();
    };
    render(html`<h3 id="plan-title">${this.#plan ? locale.t(texts.formEdit, { name: visible(this.#plan.name) }) : locale.t(texts.formNew)}</h3>
      <form class="plan-form" @submit=${submit}>
        ${this.#plan ? nothing : html`<label class="field"><span>${locale.t(texts.formName)}</span>
          <input type="text" name="name" aria-required="true" aria-invalid=${this.#mistake === 'name'} aria-describedby=${this.#mistake === 'name' ? 'plan-mistake' : nothing} maxlength="128" autocomplete="off" .value=${this.#typed.name} @input=${(/** @type {Event} */ event) => this.#type({ name: valueOf(event) })}></label>`}
        <label class="field"><span>${locale.t(texts.formReason)}</span>
          <input type="text" name="reason" list="plan-reasons" aria-required="true" aria-invalid=${this.#mistake === 'reason'} aria-describedby=${this.#mistake === 'reason' ? 'plan-mistake' : nothing} maxlength="256" autocomplete="off" .value=${this.#typed.reason} @input=${(/** @type {Event} */ event) => this.#type({ reason: valueOf(event) })}></label>
        ${this.#what()}
        ${this.#when()}
        ${this.#problem()}
        <div class="question-buttons">
          <button type="button" class="button" @click=${() => this.#dialog.close()}>${locale.t(terms.cancel)}</button>
          ${theirs !== undefined ? html`<button type="button" class="button button-danger" ?disabled=${busy} @click=${() => this.#overrule()}>${locale.t(texts.formOverrule)}</button>` : nothing}
          <button type="submit" class="button button-main" ?disabled=${busy || theirs !== undefined}>${locale.t(texts.formSave)}</button>
        </div>
        ${reasonList('plan-reasons', locale)}
        <datalist id="plan-areas">${this.#offered.map((area) => html`<option value=${area}></option>`)}</datalist>
      </form>
      ${this.#plan ? this.#history() : nothing}`, this.#dialog);
  }

  #problem() {
    const { clock, locale } = this.#session;
    const { error, theirs } = this.#draft;
    if (this.#mistake) return html`<p class="question-problem" role="alert" id="plan-mistake">${locale.t(mistakes[this.#mistake])}</p>`;
    if (theirs === null) return html`<p class="question-problem" role="alert">${locale.t(texts.formTheyDeleted)}</p>`;
    if (theirs) {
      const words = locale.t(texts.formTheirs, { version: String(theirs.version), what: scopeWords(theirs, this.#session), when: whenWords(theirs, clock.now(), locale) });
      return html`<p class="question-problem" role="alert">${words}</p>`;
    }
    return error ? html`<p class="question-problem" role="alert">${decisionWords(error, locale, shared.changedByOthers)}</p>` : nothing;
  }

  #what() {
    const { locale, plant } = this.#session;
    const { except, type } = this.#typed;
    const set = (/** @type {number} */ i, /** @type {Partial<ScopeDraft>} */ change) =>
      this.#type({ except: except.map((scope, j) => (i === j ? { ...scope, ...change } : scope)) });
    return html`<fieldset class="field-group"><legend>${locale.t(texts.formWhat)}</legend>
      <p class="soft">${locale.t(texts.formWhatHint)}</p>
      <div class="plan-scope">
        <label class="field"><span>${locale.t(terms.deviceType)}</span>
          <select name="type" @change=${(/** @type {Event} */ event) => this.#type({ type: valueOf(event) })}>
            <option value="" ?selected=${!type}>${locale.t(texts.formAnyType)}</option>
            ${[...new Set([...plant.specs.keys(), ...(type ? [type] : [])])].map((name) => html`<option value=${name} ?selected=${name === type}>${this.#session.typeName(name)}</option>`)}
          </select></label>
        ${this.#scope(this.#typed, (change) => this.#type(change))}
      </div>
      ${except.map((scope, i) => html`<fieldset class="plan-except"><legend>${locale.t(texts.formExcept)}</legend>
        <div class="plan-scope">${this.#scope(scope, (change) => set(i, change))}</div>
        ${this.#remove(locale.t(texts.formRemoveExcept, { number: i + 1 }), () => this.#type({ except: except.toSpliced(i, 1) }))}
      </fieldset>`)}
      ${except.length < 16 ? html`<button type="button" class="link" @click=${() => this.#type({ except: [...except, { area: '', labels: '', devices: '' }] })}>${locale.t(texts.formExceptAdd)}</button>` : nothing}
    </fieldset>`;
  }

  /**
   * @param {ScopeDraft} scope
   * @param {(change: Partial<ScopeDraft>) => void} set
   */
  #scope({ area, labels, devices }, set) {
    const { locale } = this.#session;
    return html`<label class="field"><span>${locale.t(terms.area)}</span>
        <input type="text" name="area" maxlength="1024" list="plan-areas" autocomplete="off" spellcheck="false" .value=${area} @input=${(/** @type {Event} */ event) => set({ area: valueOf(event) })}></label>
      <label class="field"><span>${locale.t(texts.formLabels)}</span>
        <input type="text" name="labels" maxlength="1024" autocomplete="off" spellcheck="false" .value=${labels} @input=${(/** @type {Event} */ event) => set({ labels: valueOf(event) })}></label>
      <label class="field"><span>${locale.t(texts.formDevices)}</span>
        <textarea name="devices" rows="2" autocomplete="off" spellcheck="false" .value=${devices} @input=${(/** @type {Event} */ event) => set({ devices: valueOf(event) })}></textarea></label>`;
  }

  /**
   * @param {string} words
   * @param {() => void} remove
   */
  #remove(words, remove) {
    return html`<button type="button" class="button button-icon" aria-label=${words} title=${words} @click=${remove}><svg class="icon" aria-hidden="true"><use href="#icon-close"></use></svg></button>`;
  }

  #when() {
    const { locale } = this.#session;
    const { weekly } = this.#typed;
    const choice = (/** @type {boolean} */ value, /** @type {import('../../locale/locale.js').Text} */ text) => html`<label class="check"><input type="radio" name="weekly" .checked=${weekly === value}
      @change=${() => this.#type({ weekly: value })}><span>${locale.t(text)}</span></label>`;
    return html`<fieldset class="field-group"><legend>${locale.t(texts.formWhen)}</legend>
      <div class="plan-choice">${choice(false, texts.formOnce)}${choice(true, texts.formWeekly)}</div>
      ${weekly ? this.#weekly() : this.#once()}
    </fieldset>`;
  }

  #once() {
    const { locale } = this.#session;
    const { periods } = this.#typed;
    const set = (/** @type {number} */ i, /** @type {Partial<import('../../model/maintenance.js').Period>} */ change) =>
      this.#type({ periods: periods.map((period, j) => (i === j ? { ...period, ...change } : period)) });
    return html`${periods.map(({ from, until }, i) => html`<div class="plan-period">
        <label class="field"><span>${locale.t(texts.formFrom)}</span><input type="datetime-local" .value=${from} @input=${(/** @type {Event} */ event) => set(i, { from: valueOf(event) })}></label>
        <label class="field"><span>${locale.t(texts.formUntil)}</span><input type="datetime-local" .value=${until} @input=${(/** @type {Event} */ event) => set(i, { until: valueOf(event) })}></label>
        ${periods.length > 1 ? this.#remove(locale.t(texts.formRemove, { number: i + 1 }), () => this.#type({ periods: periods.toSpliced(i, 1) })) : nothing}
      </div>`)}
      <p class="soft">${locale.t(texts.formLocal, { zone: this.#blank.zone })}</p>
      <button type="button" class="link" @click=${() => this.#type({ periods: [...periods, { from: '', until: '' }] })}>${locale.t(texts.formPeriodAdd)}</button>`;
  }

  #weekly() {
    const { locale } = this.#session;
    const { repeats, zone } = this.#typed;
    const set = (/** @type {number} */ i, /** @type {Partial<import('../../model/maintenance.js').Repeat>} */ change) =>
      this.#type({ repeats: repeats.map((repeat, j) => (i === j ? { ...repeat, ...change } : repeat)) });
    const turn = (/** @type {number} */ i, /** @type {import('../../model/maintenance.js').Day} */ day) => {
      const on = repeats[i]?.days ?? [];
      set(i, { days: on.includes(day) ? on.filter((one) => one !== day) : days.filter((one) => one === day || on.includes(one)) });
    };
    return html`${repeats.map((repeat, i) => html`<div class="plan-repeat">
        <fieldset class="plan-days"><legend>${locale.t(texts.formDays)}</legend>
          ${days.map((day) => html`<label class="check"><input type="checkbox" .checked=${repeat.days.includes(day)} @change=${() => turn(i, day)}><span>${locale.t(dayNames[day])}</span></label>`)}
        </fieldset>
        <label class="field"><span>${locale.t(texts.formFrom)}</span><input type="time" .value=${repeat.from} @input=${(/** @type {Event} */ event) => set(i, { from: valueOf(event) })}></label>
        <label class="field"><span>${locale.t(texts.formUntil)}</span><input type="time" .value=${repeat.until} @input=${(/** @type {Event} */ event) => set(i, { until: valueOf(event) })}></label>
        ${repeats.length > 1 ? this.#remove(locale.t(texts.formRemove, { number: i + 1 }), () => this.#type({ repeats: repeats.toSpliced(i, 1) })) : nothing}
      </div>`)}
      <p class="soft">${locale.t(texts.formNextDay)}</p>
      <button type="button" class="link" @click=${() => this.#type({ repeats: [...repeats, { days: [], from: '', until: '' }] })}>${locale.t(texts.formRepeatAdd)}</button>
      <label class="field plan-zone"><span>${locale.t(texts.formZone)}</span>
        <input type="text" name="zone" list="plan-zones" autocomplete="off" spellcheck="false" .value=${zone} @input=${(/** @type {Event} */ event) => this.#type({ zone: valueOf(event) })}></label>
      <datalist id="plan-zones">${Intl.supportedValuesOf('timeZone').map((name) => html`<option value=${name}></option>`)}</datalist>`;
  }

  /** What was decided, the newest first. */
  #history() {
    const { locale } = this.#session;
    const failed = this.#versions.phase === 'failed';
    if (!failed && this.#decided.length === 0) return nothing;
    return html`<details class="plan-versions"><summary>${locale.t(texts.versionsOf)}</summary>
      ${failed ? html`<p class="soft">${locale.t(texts.versionsFailed)}</p>` : html`<ol class="versions">${this.#decided.map((version) => this.#version(version))}</ol>`}</details>`;
  }

  /** @param {import('../../model/decisions.js').DecidedVersion<Maintenance>} version */
  #version(version) {
    const { clock, locale } = this.#session;
    const now = clock.now();
    const time = locale.timeOrDate(Date.parse(version.time), now);
    const number = String(version.version);
    const when = weeklyWords(version, locale) || whenWords(version, now, locale);
    return html`<li><span class="version-what">${version.deleted ? locale.t(texts.versionDeleted, { version: number })
      : locale.t(texts.versionLine, { version: number, what: scopeWords(version, this.#session), when })}</span>
      <span class="version-by soft">${version.action === 'calendar' ? locale.t(texts.versionCalendar, { time }) : decidedBy(version, now, locale)}</span></li>`;
  }
}

// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { actionable, AlertActions } from '../../model/alert-actions.js';
import { HistoryError } from '../../model/history.js';
import { decisionWords } from '../registry/decision.js';
import { texts } from './texts.js';
import { actionNames, refusalWords } from './words.js';

/**
 * @typedef {import('../../model/alert-actions.js').AlertAction} AlertAction
 * @typedef {import('../../model/alert-actions.js').AlertDecision} AlertDecision
 * @typedef {import('../../model/protocol.js').Alert} Alert
 * @typedef {import('../../app/session.js').Session} Session
 */

/** The ends of shelving that are offered, in seconds, and the one that is offered first. */
const ends = [900, 3600, 4 * 3600, 8 * 3600, 24 * 3600, 7 * 86400];
const usualEnd = '3600';

/** The longest shelving, in milliseconds. */
const longest = 31 * 86400_000;

const reasons = [terms.maintenance, texts.reasonKnown, texts.reasonSensor, texts.reasonTest];

/** How many alerts about which something was not done are listed. */
const listed = 200;

/** What people do about the rule on the device, rather than about the one alert. @type {readonly AlertAction[]} */
const aboutRules = ['shelve', 'unshelve', 'out_of_service', 'in_service'];

/** What needs a reason. @type {readonly AlertAction[]} */
const needsReason = ['shelve', 'out_of_service'];

/** What is typed. @typedef {{comment: string, end: string, until: string, oneShot: boolean, device: boolean}} Typed */

/** @type {Readonly<Typed>} */
const blank = Object.freeze({ comment: '', end: usualEnd, until: '', oneShot: false, device: false });

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement} */ (event.target).value;

/** @param {Event} event */
const ticked = (event) => /** @type {HTMLInputElement} */ (event.target).checked;

/** Does something about one alert or many, with a comment, and says of each about which it was not done why. */
export class ActionDialog {
  #dialog;
  #session;
  #actions;
  #onClosed;
  /** @type {AlertAction} */
  #action = 'comment';
  /** @type {Alert[]} */
  #alerts = [];
  #typed = blank;
  /** @type {import('../../locale/locale.js').Text | null} */
  #mistake = null;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Session} session
   * @param {{onDone?: (alert: Alert) => void, onClosed?: (done: boolean) => void}} options What to call with each alert after the action, and at the end:
   *   with whether it was done about all.
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, { onDone = () => {}, onClosed = () => {} }, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#onClosed = onClosed;
    this.#actions = new AlertActions(session.history, onDone, signal);
    for (const store of [this.#actions, session.alerts]) store.subscribe(() => this.show(), { signal });
    session.unsaved.watch(() => this.#actions.loss, signal);
    dialog.addEventListener('close', () => this.#close(), { signal });
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  /**
   * @param {AlertAction} action
   * @param {Alert[]} alerts
   */
  open(action, alerts) {
    if (this.#actions.busy) {
      this.#dialog.showModal(); // It still goes on.
      return;
    }
    this.#actions.end();
    this.#action = action;
    this.#alerts = actionable(alerts, action);
    this.#typed = blank;
    this.#mistake = null;
    this.#dialog.showModal();
    this.show();
    /** @type {HTMLElement | null} */ (this.#dialog.querySelector('select, textarea'))?.focus();
  }

  #close() {
    const { busy, failed, left, progress } = this.#actions;
    this.#actions.stop();
    this.#onClosed(!busy && progress !== null && failed.length + left === 0);
  }

  /** The alerts about which it can still be done. */
  get #left() {
    const { alerts } = this.#session;
    return actionable(this.#alerts.map((alert) => alerts.find(alert.id) ?? alert), this.#action);
  }

  /** @param {Partial<Typed>} change */
  #type(change) {
    this.#typed = { ...this.#typed, ...change };
    this.#mistake = null;
    this.show();
  }

  /** @returns {AlertDecision | null} What is decided; null if something is wrong with it. */
  get #decision() {
    const { comment, end, until, oneShot, device } = this.#typed;
    /** @type {AlertDecision} */
    const body = { ...(comment.trim() && { comment: comment.trim() }) };
    if (this.#action === 'comment' && !body.comment) return this.#refuse(texts.commentNeeded);
    if (needsReason.includes(this.#action) && !body.comment) return this.#refuse(texts.reasonNeeded);
    if (aboutRules.includes(this.#action) && device) body.device = true;
    if (this.#action !== 'shelve') return body;
    if (oneShot && !device) body.one_shot = true;
    if (end !== 'until') return { ...body, seconds: Number(end) };
    const at = new Date(until).getTime();
    const left = at - this.#session.clock.now();
    if (!(left > 0 && left <= longest)) return this.#refuse(texts.endWrong);
    return { ...body, until: new Date(at).toISOString() };
  }

  /** @param {import('../../locale/locale.js').Text} mistake */
  #refuse(mistake) {
    this.#mistake = mistake;
    return null;
  }

  async #apply() {
    const decision = this.#decision;
    this.show();
    if (!decision) {
      /** @type {HTMLElement | null} */ (this.#dialog.querySelector('[aria-invalid="true"]'))?.focus();
      return;
    }
    await this.#actions.begin(this.#left, this.#action, decision);
    // There is nothing to read where all was done.
    if (this.#actions.failed.length + this.#actions.left === 0 && this.#actions.progress?.waiting === 0) this.#dialog.close();
  }

  /** Also in another language. */
  show() {
    if (!this.#dialog.open) return;
    const { locale } = this.#session;
    const [name, why] = actionNames[this.#action].map((text) => locale.t(text));
    const one = this.#alerts.length === 1 ? this.#alerts[0] : undefined;
    const words = one && [this.#session.alertWords(one), visible(one.device_id)].join(locale.t(terms.listSeparator));
    const title = words ? locale.t(texts.actionOfOne, { action: name ?? '', words }) : locale.t(texts.actionOfMany, { action: name ?? '', count: this.#alerts.length });
    const { progress } = this.#actions;
    render(html`<h3 id="action-title">${title}</h3>${progress ? this.#outcome(progress) : this.#form(name ?? '', why ?? '')}`, this.#dialog);
  }

  /**
   * @param {string} name
   * @param {string} why
   */
  #form(name, why) {
    const { locale } = this.#session;
    const count = this.#left.length;
    const faster = this.#alerts.length - count;
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#apply();
    };
    return html`<form class="action" @submit=${submit}>
      <p class="soft">${why}</p>
      ${this.#action === 'shelve' ? this.#end() : nothing}
      ${aboutRules.includes(this.#action) ? this.#scope() : nothing}
      ${this.#comment()}
      <p class="action-faster" role="status">${faster > 0 ? locale.t(texts.meanwhile, { count: faster }) : ''}</p>
      ${this.#mistake ? html`<p class="question-problem" role="alert" id="action-mistake">${locale.t(this.#mistake)}</p>` : nothing}
      <div class="question-buttons">
        <button type="button" class="button" @click=${() => this.#dialog.close()}>${locale.t(terms.cancel)}</button>
        <button type="submit" class="button button-main" ?disabled=${count === 0}>${name}</button>
      </div>
    </form>`;
  }

  #end() {
    const { locale } = this.#session;
    const { end, until, oneShot, device } = this.#typed;
    return html`<label class="field"><span>${locale.t(texts.endLabel)}</span>
        <select .value=${end} @change=${(/** @type {Event} */ event) => this.#type({ end: valueOf(event) })}>
          ${ends.map((seconds) => html`<option value=${seconds} ?selected=${String(seconds) === end}>${locale.duration(seconds * 1000)}</option>`)}
          <option value="until" ?selected=${end === 'until'}>${locale.t(texts.endUntil)}</option>
        </select></label>
      ${end === 'until' ? html`<label class="field"><span>${locale.t(texts.endTime)}</span>
        <input type="datetime-local" aria-invalid=${this.#mistake === texts.endWrong} aria-describedby=${this.#mistake === texts.endWrong ? 'action-mistake' : nothing} .value=${until} @input=${(/** @type {Event} */ event) => this.#type({ until: valueOf(event) })}></label>` : nothing}
      <label class="check"><input type="checkbox" .checked=${oneShot && !device} ?disabled=${device} @change=${(/** @type {Event} */ event) => this.#type({ oneShot: ticked(event) })}><span>${locale.t(texts.oneShot)}</span></label>`;
  }

  #scope() {
    const { locale } = this.#session;
    return html`<label class="check"><input type="checkbox" .checked=${this.#typed.device} @change=${(/** @type {Event} */ event) => this.#type({ device: ticked(event) })}><span>${locale.t(texts.wholeDevice)}</span></label>`;
  }

  #comment() {
    const { locale } = this.#session;
    const { comment } = this.#typed;
    const offered = reasons.map((reason) => locale.t(reason));
    const presets = html`<label class="field"><span>${locale.t(texts.reasonLabel)}</span>
      <select @change=${(/** @type {Event} */ event) => this.#type({ comment: valueOf(event) })}>
        <option value="" ?selected=${!offered.includes(comment)}>${locale.t(texts.reasonOther)}</option>
        ${offered.map((words) => html`<option value=${words} ?selected=${words === comment}>${words}</option>`)}
      </select></label>`;
    const reasoned = needsReason.includes(this.#action);
    const needed = reasoned || this.#action === 'comment';
    const missing = this.#mistake === texts.reasonNeeded || this.#mistake === texts.commentNeeded;
    return html`${reasoned ? presets : nothing}
      <label class="field"><span>${locale.t(reasoned ? texts.reasonWords : needed ? texts.comment : texts.commentLabel)}</span>
        <textarea rows="3" maxlength="1024" aria-required=${needed} aria-invalid=${missing} aria-describedby=${missing ? 'action-mistake' : nothing} .value=${comment} @input=${(/** @type {Event} */ event) => this.#type({ comment: valueOf(event) })}></textarea></label>`;
  }

  /** @param {import('../../model/alert-actions.js').ActionProgress} progress */
  #outcome({ all, done, waiting }) {
    const { locale } = this.#session;
    const { busy, failed, left } = this.#actions;
    const words = [
      locale.t(texts.outcome, { done, all }), waiting > 0 ? locale.t(texts.outcomeWaiting, { count: waiting }) : '', left > 0 ? locale.t(texts.outcomeLeft, { count: left }) : '',
    ];
    const again = failed.length + left;
    return html`<p role="status">${busy ? locale.t(texts.running, { done, all }) : words.filter(Boolean).join(locale.t(terms.sentenceSeparator))}</p>
      <progress max=${all} .value=${done + failed.length} aria-label=${locale.t(texts.progress)}></progress>
      ${failed.length > 0 ? this.#failed(failed) : nothing}
      <div class="question-buttons">
        ${again > 0 && !busy ? html`<button type="button" class="button" @click=${() => void this.#actions.again()}>${locale.t(texts.again, { count: again })}</button>` : nothing}
        ${busy ? html`<button type="button" class="button button-main" @click=${() => this.#actions.stop()}>${locale.t(texts.stop)}</button>`
          : html`<button type="button" class="button button-main" @click=${() => this.#dialog.close()}>${locale.t(terms.close)}</button>`}
      </div>`;
  }

  /** @param {import('../../model/alert-actions.js').NotDone[]} failed */
  #failed(failed) {
    const { locale } = this.#session;
    const named = (/** @type {string} */ id) => {
      const alert = this.#alerts.find((one) => one.id === id);
      return alert ? [this.#session.alertWords(alert), visible(alert.device_id)].join(locale.t(terms.listSeparator)) : id;
    };
    return html`<div class="list-frame many-failed" tabindex="0" role="region" aria-label=${locale.t(texts.notDone)}><table class="values">
      <thead><tr><th scope="col">${locale.t(texts.alertColumn)}</th><th scope="col">${locale.t(terms.reason)}</th></tr></thead>
      <tbody>${failed.slice(0, listed).map((one) => html`<tr><th scope="row"><bdi>${named(one.id)}</bdi></th><td>${this.#reason(one)}</td></tr>`)}</tbody>
    </table></div>`;
  }

  /** @param {import('../../model/alert-actions.js').NotDone} failed */
  #reason({ error, refused, remains }) {
    const { clock, locale } = this.#session;
    if (error instanceof HistoryError && error.status === 404) return locale.t(texts.gone);
    if (error) return decisionWords(error, locale);
    return refusalWords({ refused, remains }, clock.now(), locale);
  }
}

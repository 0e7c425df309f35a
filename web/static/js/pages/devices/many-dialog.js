// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { decisionWords } from '../../components/registry/decision.js';
import { partNames } from '../../components/registry/words.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { ManyChanges } from '../../model/many-changes.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/device-list.js').Registered} Registered
 * @typedef {import('../../model/many-changes.js').Target} Target
 * @typedef {import('../../app/session.js').Session} Session
 */

/** How many devices that were not changed are listed. */
const listed = 200;

/** What is wrong with what is typed. */
const mistakes = { interval: terms.intervalWrong, label: texts.manyLabelMissing, nothing: texts.manyNothing };

/** Changes many devices in the same way, and says of each that was not changed why. */
export class ManyDialog {
  #dialog;
  #session;
  #changes;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Session} session
   * @param {(id: string, entry: Registered) => void} onSaved
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, onSaved, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#changes = new ManyChanges(session.history, onSaved, signal);
    this.#changes.subscribe(() => this.show(), { signal });
    session.unsaved.watch(() => this.#changes.loss, signal);
    dialog.addEventListener('close', () => this.#changes.end(), { signal });
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  /** @param {Target[]} targets */
  open(targets) {
    // What has been stopped may still wait for an answer.
    if (!this.#changes.busy) this.#changes.begin(targets);
    this.#dialog.showModal();
  }

  /** Also in another language. */
  show() {
    const { locale } = this.#session;
    const { count, progress } = this.#changes;
    render(html`<h3 id="many-title">${locale.t(texts.manyTitle, { count })}</h3>
      ${progress ? this.#outcome(progress) : this.#form()}`, this.#dialog);
  }

  #form() {
    const { locale } = this.#session;
    const { count, mistake, typed } = this.#changes;
    const type = (/** @type {Partial<import('../../model/many-changes.js').Typed>} */ change) => this.#changes.type(change);
    const valueOf = (/** @type {Event} */ event) => /** @type {any} */ (event.target).value;
    const ticked = (/** @type {Event} */ event) => /** @type {HTMLInputElement} */ (event.target).checked;
    return html`<form class="many" @submit=${(/** @type {Event} */ event) => { event.preventDefault(); void this.#changes.apply(); }}>
      <label class="check"><input type="checkbox" .checked=${typed.setArea} @change=${(/** @type {Event} */ event) => type({ setArea: ticked(event) })}><span>${locale.t(terms.area)}</span></label>
      <input type="text" maxlength="1024" list="device-areas" autocomplete="off" spellcheck="false" aria-label=${locale.t(terms.area)} placeholder=${locale.t(texts.manyEmptyRemoves)} .value=${typed.area} @input=${(/** @type {Event} */ event) => type({ area: valueOf(event), setArea: true })}>
      <label class="check"><input type="checkbox" .checked=${typed.setInterval} @change=${(/** @type {Event} */ event) => type({ setInterval: ticked(event) })}><span>${locale.t(texts.manyInterval)}</span></label>
      <input type="text" inputmode="decimal" maxlength="20" autocomplete="off" aria-label=${locale.t(texts.manyInterval)} placeholder=${locale.t(texts.manyEmptyRemoves)} .value=${typed.interval} @input=${(/** @type {Event} */ event) => type({ interval: valueOf(event), setInterval: true })}>
      <label class="many-name" for="many-label">${locale.t(texts.manyLabel)}</label>
      <div class="many-label">
        <select id="many-label" .value=${typed.labels} @change=${(/** @type {Event} */ event) => type({ labels: valueOf(event) })}>
          <option value="">${locale.t(texts.manyLeave)}</option><option value="set">${locale.t(texts.manyLabelSet)}</option><option value="remove">${locale.t(texts.manyLabelRemove)}</option>
        </select>
        <input type="text" maxlength="64" autocomplete="off" spellcheck="false" aria-label=${locale.t(terms.name)} placeholder=${locale.t(terms.name)} ?disabled=${!typed.labels} .value=${typed.label} @input=${(/** @type {Event} */ event) => type({ label: valueOf(event) })}>
        <input type="text" maxlength="128" autocomplete="off" spellcheck="false" aria-label=${locale.t(texts.manyLabelValue)} placeholder=${locale.t(texts.manyLabelValue)} ?disabled=${typed.labels !== 'set'} .value=${typed.value} @input=${(/** @type {Event} */ event) => type({ value: valueOf(event) })}>
      </div>
      <label class="many-name" for="many-retired">${locale.t(texts.retired)}</label>
      <select id="many-retired" .value=${typed.retired} @change=${(/** @type {Event} */ event) => type({ retired: valueOf(event) })}>
        <option value="">${locale.t(texts.manyLeave)}</option><option value="yes">${locale.t(texts.manyRetire)}</option><option value="no">${locale.t(texts.manyUse)}</option>
      </select>
      ${mistake ? html`<p class="question-problem" role="alert">${locale.t(mistakes[mistake])}</p>` : nothing}
      <div class="question-buttons">
        <button type="button" class="button" @click=${() => this.#dialog.close()}>${locale.t(terms.cancel)}</button>
        <button type="submit" class="button button-main">${locale.t(texts.manyApply, { count })}</button>
      </div>
    </form>`;
  }

  /** @param {import('../../model/many-changes.js').Progress} progress */
  #outcome({ all, changed, same, waiting }) {
    const { locale } = this.#session;
    const { busy, failed, left } = this.#changes;
    const done = changed + same + failed.length;
    const words = [
      locale.t(texts.manyDone, { changed, failed: failed.length }),
      same > 0 ? locale.t(texts.manySame, { count: same }) : '',
      left > 0 ? locale.t(texts.manyLeft, { count: left }) : '',
      waiting > 0 ? locale.t(texts.manyWaiting, { count: waiting }) : '',
    ];
    return html`<p role="status">${busy ? locale.t(texts.manyRunning, { done, all }) : words.filter(Boolean).join(locale.t(terms.sentenceSeparator))}</p>
      ${busy && done === 0
        ? html`<progress aria-label=${locale.t(texts.manyProgress)}></progress>`
        : html`<progress max=${all} .value=${done} aria-label=${locale.t(texts.manyProgress)}></progress>`}
      ${failed.length > 0
        ? html`<div class="list-frame many-failed" tabindex="0" role="region" aria-label=${locale.t(texts.manyFailed)}><table class="values">
            <thead><tr><th scope="col">${locale.t(terms.device)}</th><th scope="col">${locale.t(terms.reason)}</th></tr></thead>
            <tbody>${failed.slice(0, listed).map((one) => html`<tr><th scope="row"><bdi>${visible(one.id)}</bdi></th><td>${this.#reason(one)}</td></tr>`)}</tbody>
          </table></div>
          ${failed.length > listed ? html`<p class="soft">${locale.t(texts.manyFailedFirst, { count: listed })}</p>` : nothing}`
        : nothing}
      <div class="question-buttons">
        ${failed.length + left > 0 && !busy ? html`<button type="button" class="button" @click=${() => this.#changes.again()}>${locale.t(texts.manyAgain, { count: failed.length + left })}</button>` : nothing}
        ${busy ? html`<button type="button" class="button button-main" @click=${() => this.#changes.stop()}>${locale.t(texts.manyStop)}</button>`
          : html`<button type="button" class="button button-main" @click=${() => this.#dialog.close()}>${locale.t(terms.close)}</button>`}
      </div>`;
  }

  /** @param {import('../../model/many-changes.js').Failed} failed */
  #reason({ error, other }) {
    const { locale, clock } = this.#session;
    if (!other) return decisionWords(error, locale);
    const values = { actor: visible(other.actor), time: locale.timeOrDate(Date.parse(other.time), clock.now()) };
    if (other.parts.length === 0) return locale.t(texts.manyOther, values);
    return locale.t(texts.manyOtherParts, { ...values, parts: partNames(other.parts, locale) });
  }
}

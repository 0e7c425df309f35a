// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { decisionWords } from '../../components/registry/decision.js';
import { ruleChanges } from '../../components/rule/changes.js';
import { conditionWords } from '../../components/rule/words.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { HistoryError } from '../../model/history.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/rules.js').RulesImported} RulesImported
 */

/** The largest file that the server takes, in bytes. */
const mostBytes = 8 << 20;

/** Imports a file of rules: it first shows what would change, and changes it when the reader agrees. */
export class RulesImport {
  #dialog;
  #session;
  #requests;
  #onImported;
  #signal;
  /** @type {File | null} */
  #file = null;
  #deleteOthers = false;
  /** What the file would change, or has changed. @type {RulesImported | null} */
  #result = null;
  /** @type {unknown} */
  #error = null;
  #busy = false;
  /** Ends the request when the dialog is closed, or another file is chosen. */
  #asking = new AbortController();

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Session} session
   * @param {{requests: import('../../model/rule-requests.js').RuleRequests, onImported: () => void}} options
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, { requests, onImported }, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#requests = requests;
    this.#onImported = onImported;
    this.#signal = signal;
    session.unsaved.watch(() => (dialog.open && this.#busy && this.#result ? 'saving' : ''), signal);
    dialog.addEventListener('close', () => this.#asking.abort(), { signal });
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  open() {
    this.#file = null;
    this.#deleteOthers = false;
    this.#result = null;
    this.#error = null;
    this.#busy = false;
    render(nothing, this.#dialog); // What was chosen before is not chosen again.
    this.#dialog.showModal();
    this.show();
  }

  /** @param {{file?: File | null, deleteOthers?: boolean}} chosen */
  #choose({ file = this.#file, deleteOthers = this.#deleteOthers }) {
    this.#asking.abort();
    this.#file = file;
    this.#deleteOthers = deleteOthers;
    this.#result = null;
    this.#error = null;
    this.#busy = false;
    if (file && file.size <= mostBytes) void this.#send({ dryRun: true });
    else this.show();
  }

  /** @param {{dryRun: boolean}} how */
  async #send({ dryRun }) {
    const file = this.#file;
    if (!file) return;
    this.#asking = new AbortController();
    const signal = AbortSignal.any([this.#asking.signal, this.#signal]);
    this.#busy = true;
    this.#error = null;
    this.show();
    try {
      this.#result = await this.#requests.import(file, { dryRun, deleteOthers: this.#deleteOthers }, signal);
      if (!dryRun) this.#onImported();
    } catch (error) {
      if (signal.aborted) return;
      this.#result = null;
      this.#error = error;
    }
    if (signal.aborted) return;
    this.#busy = false;
    this.show();
  }

  /** Also in another language. */
  show() {
    if (!this.#dialog.open) return;
    const { locale } = this.#session;
    const result = this.#result;
    const applied = result !== null && !result.dry_run;
    const tooLarge = this.#file !== null && this.#file.size > mostBytes;
    render(html`<h3 id="rules-import-title">${locale.t(texts.importRulesTitle)}</h3>
      <p class="soft">${locale.t(texts.importRulesWords)}</p>
      ${applied ? nothing : html`<input type="file" accept=".yaml,.yml,application/yaml,text/plain" aria-label=${locale.t(texts.importRulesFile)} @change=${(/** @type {Event} */ event) => this.#choose({ file: /** @type {HTMLInputElement} */ (event.target).files?.[0] ?? null })}>
        <label class="check"><input type="checkbox" .checked=${this.#deleteOthers} @change=${(/** @type {Event} */ event) => this.#choose({ deleteOthers: /** @type {HTMLInputElement} */ (event.target).checked })}><span>${locale.t(texts.importRulesDelete)}</span></label>`}
      <div role="status">${this.#busy ? html`<p>${locale.t(texts.importRulesBusy)}</p>` : result ? html`<p><strong>${this.#summary(result)}</strong></p>` : nothing}</div>
      ${tooLarge ? html`<p class="question-problem" role="alert">${locale.t(texts.importRulesTooLarge, { size: locale.number(mostBytes >> 20) })}</p>` : nothing}
      ${this.#error ? this.#problem(this.#error) : nothing}
      ${result && result.items.length > 0 ? this.#changes(result) : nothing}
      <div class="question-buttons">
        <button type="button" class="button" @click=${() => this.#dialog.close()}>${locale.t(applied ? terms.close : terms.cancel)}</button>
        ${result && !applied && result.items.length > 0 ? html`<button type="button" class="button button-main" value="apply" ?disabled=${this.#busy} @click=${() => this.#send({ dryRun: false })}>${locale.t(texts.importRulesApply, { count: result.items.length })}</button>` : nothing}
      </div>`, this.#dialog);
  }

  /** @param {RulesImported} result */
  #summary({ dry_run: dry, in_force: inForce, items, rules }) {
    const { locale } = this.#session;
    const count = items.length;
    if (count === 0) return locale.t(texts.importRulesSame, { count: rules });
    if (dry) return locale.t(texts.importRulesWould, { rules: locale.t(terms.ruleCount, { count: rules }), count });
    return locale.t(inForce ? texts.importRulesDone : texts.importRulesWaiting, { count });
  }

  /** @param {unknown} error */
  #problem(error) {
    const { locale } = this.#session;
    const mistakes = error instanceof HistoryError && error.status === 422 ? error.mistakes : [];
    const words = mistakes.length > 0 ? locale.t(texts.importRulesRefused, { count: mistakes.length }) : decisionWords(error, locale);
    return html`<div class="question-problem" role="alert"><p>${words}</p>
      ${mistakes.length > 0 ? html`<ul class="mistakes">${mistakes.map(({ location = '', message }) => html`<li><strong>${visible(location)}</strong> ${visible(message)}</li>`)}</ul>` : nothing}</div>`;
  }

  /** @param {RulesImported} result */
  #changes({ items }) {
    const { locale } = this.#session;
    const words = { added: texts.importAdded, changed: texts.importChanged, deleted: texts.importDeleted };
    return html`<div class="list-frame" tabindex="0" role="region" aria-label=${locale.t(texts.importRulesChanges)}><ul class="import-rules">${items.map(({ after, before, change, name }) => html`<li data-change=${change}>
      <strong><bdi>${visible(name)}</bdi></strong> <span class="rule-mark">${locale.t(words[change])}</span>
      ${before && after ? ruleChanges(before, after, this.#session) : html`<p>${conditionWords(/** @type {import('../../model/rules.js').ShownRule} */ (after ?? before), this.#session)}</p>`}</li>`)}</ul></div>`;
  }
}

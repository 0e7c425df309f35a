// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { decisionWords } from '../../components/registry/decision.js';
import { ruleChanges } from '../../components/rule/changes.js';
import { conditionWords } from '../../components/rule/words.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { FileImport } from '../../model/file-import.js';
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
  #deleteOthers = false;
  /** @type {FileImport<RulesImported>} */
  #import;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Session} session
   * @param {{requests: import('../../model/rule-requests.js').RuleRequests, onImported: () => void}} options
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, { requests, onImported }, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#import = new FileImport((file, { dryRun }, asking) => {
      const seen = dryRun ? undefined : this.#import.result?.versions;
      return requests.import(file, { dryRun, deleteOthers: this.#deleteOthers, ...(seen && { versions: seen }) }, asking);
    }, { mostBytes, onImported }, signal);
    this.#import.subscribe(() => this.show(), { signal });
    session.unsaved.watch(() => (dialog.open ? this.#import.loss : ''), signal);
    dialog.addEventListener('close', () => this.#import.cancel(), { signal });
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  open() {
    this.#deleteOthers = false;
    render(nothing, this.#dialog); // What was chosen before is not chosen again.
    this.#dialog.showModal();
    this.#import.choose(null);
  }

  /** @param {boolean} deleteThem What becomes of the rules that are not in the file. */
  #others(deleteThem) {
    this.#deleteOthers = deleteThem;
    this.#import.again();
  }

  /** Also in another language. */
  show() {
    if (!this.#dialog.open) return;
    const { locale } = this.#session;
    const { applied, busy, error, result, tooLarge } = this.#import;
    render(html`<h3 id="rules-import-title">${locale.t(texts.importRulesTitle)}</h3>
      <p class="soft">${locale.t(texts.importRulesWords)}</p>
      ${applied ? nothing : html`<input type="file" accept=".yaml,.yml,application/yaml,text/plain" aria-label=${locale.t(texts.importRulesFile)} @change=${(/** @type {Event} */ event) => this.#import.choose(/** @type {HTMLInputElement} */ (event.target).files?.[0] ?? null)}>
        <label class="check"><input type="checkbox" .checked=${this.#deleteOthers} @change=${(/** @type {Event} */ event) => this.#others(/** @type {HTMLInputElement} */ (event.target).checked)}><span>${locale.t(texts.importRulesDelete)}</span></label>`}
      <div role="status">${busy ? html`<p>${locale.t(texts.importRulesBusy)}</p>` : result ? html`<p><strong>${this.#summary(result)}</strong></p>` : nothing}</div>
      ${tooLarge ? html`<p class="question-problem" role="alert">${locale.t(texts.importRulesTooLarge, { size: locale.number(mostBytes >> 20) })}</p>` : nothing}
      ${error ? this.#problem(error) : nothing}
      ${result && result.items.length > 0 ? this.#changes(result) : nothing}
      <div class="question-buttons">
        <button type="button" class="button" @click=${() => this.#dialog.close()}>${locale.t(applied ? terms.close : terms.cancel)}</button>
        ${result && !applied && result.items.length > 0 ? html`<button type="button" class="button button-main" value="apply" ?disabled=${busy} @click=${() => void this.#import.apply()}>${locale.t(texts.importRulesApply, { count: result.items.length })}</button>` : nothing}
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
    if (error instanceof HistoryError && error.status === 412) {
      const rules = error.mistakes.map(({ location = '' }) => visible(location)).join(', ');
      return html`<div class="question-problem" role="alert"><p>${locale.t(texts.importRulesOutdated, { rules })}</p>
        <button type="button" class="button" value="again" @click=${() => this.#import.again()}>${locale.t(texts.importRulesAgain)}</button></div>`;
    }
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

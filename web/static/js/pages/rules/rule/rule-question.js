// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { ruleChanges } from '../../../components/rule/changes.js';
import { decidedBy } from '../../../components/versions/decided-by.js';
import { whyField, whyOf } from '../../../components/versions/why.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rules.js').RuleVersion} RuleVersion
 * @typedef {import('../../../model/rules.js').ShownRule} ShownRule
 *
 * @typedef {{kind: 'delete'} | {kind: 'disable'} | {kind: 'restore', version: RuleVersion}} Question
 */

/** Asks whether a rule is really to be deleted, disabled, or as it was before. */
export class RuleQuestion {
  #dialog;
  #session;
  #options;
  /** @type {Question} */
  #question = { kind: 'delete' };

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Session} session
   * @param {{draft: import('../../../model/rule-draft.js').RuleDraft, openAlerts: () => number, onConfirm: (question: Question, reason: string) => void}} options
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, options, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#options = options;
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  /** @param {Question} question */
  open(question) {
    this.#question = question;
    this.#dialog.showModal();
    this.show();
    /** @type {HTMLElement | null} */ (this.#dialog.querySelector('[value="cancel"]'))?.focus();
  }

  #confirm() {
    const reason = whyOf(this.#dialog);
    this.#dialog.close();
    this.#options.onConfirm(this.#question, reason);
  }

  /** Also in another language. */
  show() {
    if (!this.#dialog.open) return;
    const { locale } = this.#session;
    const { draft } = this.#options;
    const [title, words, confirm] = this.#words();
    render(html`<h3 id="rule-question-title">${title}</h3>
      <p id="rule-question-words">${words}</p>
      ${this.#question.kind === 'restore' && draft.base && draft.base.version > 0 ? html`<div class="list-frame" tabindex="0" role="region" aria-label=${locale.t(texts.whatChanges)}>${ruleChanges(draft.base, this.#question.version, this.#session)}</div>` : nothing}
      ${draft.dirty ? html`<p class="question-problem">${locale.t(texts.typedIsLost)}</p>` : nothing}
      ${whyField(locale)}
      <div class="question-buttons">
        <button type="button" class="button" value="cancel" @click=${() => this.#dialog.close()}>${locale.t(terms.cancel)}</button>
        <button type="button" class="button ${this.#question.kind === 'delete' ? 'button-danger' : 'button-main'}" value="confirm" ?disabled=${draft.busy} @click=${() => this.#confirm()}>${confirm}</button>
      </div>`, this.#dialog);
  }

  /** @returns {[string, string, string]} The title, what it means, and what the button says. */
  #words() {
    const { clock, locale } = this.#session;
    const { draft, openAlerts } = this.#options;
    const name = visible(draft.name);
    const open = openAlerts();
    const cleared = open > 0 ? locale.t(texts.alertsClear, { count: open }) : '';
    const join = (/** @type {string[]} */ ...parts) => parts.filter(Boolean).join(locale.t(terms.sentenceSeparator));
    if (this.#question.kind === 'delete') {
      return [locale.t(texts.deleteRuleTitle, { name }), join(locale.t(draft.base?.origin === 'configuration' ? texts.deleteRuleWordsFile : texts.deleteRuleWords), cleared), locale.t(texts.deleteRuleNow)];
    }
    if (this.#question.kind === 'disable') return [locale.t(texts.disableTitle, { name }), join(locale.t(texts.disableWords), cleared), locale.t(texts.disable)];
    return [locale.t(texts.restoreRuleTitle), locale.t(texts.restoreRuleWords, { by: decidedBy(this.#question.version, clock.now(), locale) }), locale.t(texts.restoreRuleNow)];
  }
}

// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { decidedBy } from '../versions/decided-by.js';
import { whyField, whyOf } from '../versions/why.js';
import { texts } from './texts.js';

/**
 * @template {import('../versions/decided-by.js').Decided} Version
 * @typedef {{kind: 'back'} | {kind: 'restore', version: Version}} Question
 */

/**
 * Asks whether what was decided is really to be taken back, or to be as it was in an earlier version.
 *
 * @template {import('../versions/decided-by.js').Decided} Version
 */
export class DecisionQuestion {
  #dialog;
  #session;
  #options;
  /** @type {Question<Version>} */
  #question = { kind: 'back' };

  /**
   * @param {HTMLDialogElement} dialog
   * @param {import('../../app/session.js').Session} session
   * @param {object} options
   * @param {{busy: boolean, dirty: boolean}} options.draft
   * @param {(question: Question<Version>) => unknown} options.changes What would change.
   * @param {() => [string, string, string]} options.back The title, what it means to take back what was decided, and what the button says.
   * @param {(question: Question<Version>, reason: string) => void} options.onConfirm
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, options, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#options = options;
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  /** @param {Question<Version>} question */
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
    const { clock, locale } = this.#session;
    const { back, changes, draft } = this.#options;
    const question = this.#question;
    const [title, words, confirm] = question.kind === 'back' ? back() : [
      locale.t(texts.againTitle, { version: String(question.version.version) }), locale.t(texts.againWords, { by: decidedBy(question.version, clock.now(), locale) }), locale.t(texts.againNow),
    ];
    const id = this.#dialog.id;
    render(html`<h3 id="${id}-title">${title}</h3>
      <p id="${id}-words">${words}</p>
      <div class="list-frame" tabindex="0" role="region" aria-label=${locale.t(texts.whatBecomes)}>${changes(question)}</div>
      ${draft.dirty ? html`<p class="question-problem">${locale.t(texts.typedGone)}</p>` : nothing}
      ${whyField(locale)}
      <div class="question-buttons">
        <button type="button" class="button" value="cancel" @click=${() => this.#dialog.close()}>${locale.t(terms.cancel)}</button>
        <button type="button" class="button ${question.kind === 'back' ? 'button-danger' : 'button-main'}" value="confirm" ?disabled=${draft.busy} @click=${() => this.#confirm()}>${confirm}</button>
      </div>`, this.#dialog);
  }
}

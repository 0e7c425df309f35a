// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { texts as shared } from '../../components/maintenance/texts.js';
import { decisionWords } from '../../components/registry/decision.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { DecisionDraft } from '../../model/decision-draft.js';
import { texts } from './texts.js';

/** Asks before maintenance is deleted. */
export class DeleteQuestion {
  #dialog;
  #session;
  #draft;
  #onDecided;
  #name = '';

  /**
   * @param {HTMLDialogElement} dialog
   * @param {import('../../app/session.js').Session} session
   * @param {{decisions: import('../../model/maintenance.js').MaintenanceDecisions, onDecided: (name: string, inForce: boolean) => void}} options
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, { decisions, onDecided }, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#onDecided = onDecided;
    this.#draft = new DecisionDraft(decisions, signal);
    this.#draft.subscribe(() => this.show(), { signal });
    session.unsaved.watch(() => (this.#draft.busy ? 'saving' : ''), signal);
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  /** @param {import('../../model/maintenance.js').Maintenance} plan */
  open({ name, version }) {
    if (this.#draft.busy) return;
    this.#name = name;
    this.#draft.begin(version);
    this.#dialog.showModal();
    this.show();
  }

  async #delete() {
    if (this.#draft.theirs !== undefined) this.#draft.overrule();
    const made = await this.#draft.remove(this.#name);
    if (!made) return;
    this.#dialog.close();
    this.#onDecided(this.#name, made.in_force);
  }

  /** Also in another language. */
  show() {
    if (!this.#dialog.open) return;
    const { locale } = this.#session;
    const { busy, error } = this.#draft;
    render(html`<h3 id="plan-question-title">${locale.t(texts.deleteTitle, { name: visible(this.#name) })}</h3>
      <p id="plan-question-words">${locale.t(texts.deleteWords)}</p>
      ${error ? html`<p class="question-problem" role="alert">${decisionWords(error, locale, shared.changedByOthers)}</p>` : nothing}
      <div class="question-buttons">
        <button type="button" class="button" autofocus @click=${() => this.#dialog.close()}>${locale.t(terms.cancel)}</button>
        <button type="button" class="button button-danger" ?disabled=${busy} @click=${() => void this.#delete()}>${locale.t(texts.deleteNow)}</button>
      </div>`, this.#dialog);
  }
}

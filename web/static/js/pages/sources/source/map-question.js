// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { decidedBy } from '../../../components/versions/decided-by.js';
import { terms } from '../../../locale/terms.js';
import { ruleWords } from './rules-panel.js';
import { texts } from './texts.js';

/** @typedef {import('../../../model/source-map.js').MapVersion} MapVersion */

/** Asks whether the rules of an earlier version, or those of the configuration, are really to be in force. */
export class MapQuestion {
  #dialog;
  #session;
  #draft;
  #onConfirm;
  /** The version that is to be restored; null for the configuration. @type {MapVersion | null} */
  #version = null;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {import('../../../app/session.js').Session} session
   * @param {{draft: import('../../../model/map-draft.js').MapDraft, onConfirm: () => void}} options What to call once the dialog is closed and what was asked is being done.
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, { draft, onConfirm }, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#draft = draft;
    this.#onConfirm = onConfirm;
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  /** @param {MapVersion} version */
  restore(version) {
    this.#open(version);
  }

  remove() {
    this.#open(null);
  }

  /** @param {MapVersion | null} version */
  #open(version) {
    this.#version = version;
    this.#dialog.showModal();
    this.show();
    /** @type {HTMLElement | null} */ (this.#dialog.querySelector('[value="cancel"]'))?.focus();
  }

  #confirm() {
    this.#dialog.close();
    this.#onConfirm();
    void (this.#version ? this.#draft.restore(this.#version.version) : this.#draft.remove());
  }

  /** Also in another language. */
  show() {
    if (!this.#dialog.open) return;
    const { clock, locale } = this.#session;
    const version = this.#version;
    const words = version ? locale.t(texts.restoreWords, { by: decidedBy(version, clock.now(), locale) }) : locale.t(texts.backWords);
    render(html`<h3 id="map-question-title">${version ? locale.t(texts.restoreTitle, { number: version.version }) : locale.t(texts.backTitle)}</h3>
      <p id="map-question-words">${words}</p>
      ${version ? this.#rules(version) : nothing}
      ${this.#draft.dirty ? html`<p class="question-problem">${locale.t(texts.triedIsLost)}</p>` : nothing}
      <div class="question-buttons">
        <button type="button" class="button" value="cancel" @click=${() => this.#dialog.close()}>${locale.t(terms.cancel)}</button>
        <button type="button" class="button button-main" value="confirm" ?disabled=${this.#draft.busy} @click=${() => this.#confirm()}>${locale.t(version ? texts.restoreNow : texts.backNow)}</button>
      </div>`, this.#dialog);
  }

  /** @param {MapVersion} version */
  #rules({ rules }) {
    const { locale } = this.#session;
    const title = locale.t(texts.restoredRules);
    if (rules.length === 0) return html`<p class="soft">${locale.t(texts.rulesNone)}</p>`;
    return html`<div class="list-frame" tabindex="0" role="region" aria-label=${title}><ol class="restored">${rules.map((rule) => html`<li>${ruleWords(rule, locale)}</li>`)}</ol></div>`;
  }
}

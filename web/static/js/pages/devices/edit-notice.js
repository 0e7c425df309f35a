// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { decisionWords } from '../../components/registry/decision.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/entry-changes.js').Failure} Failure
 * @typedef {import('../../app/session.js').Session} Session
 */

/** Says that the change of a cell was not made, and lets the reader make it all the same. */
export class EditNotice {
  #element;
  #session;
  #changes;

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {import('../../model/entry-changes.js').EntryChanges} changes
   */
  constructor(element, session, changes) {
    this.#element = element;
    this.#session = session;
    this.#changes = changes;
  }

  /** Also in another language. */
  show() {
    const { locale } = this.#session;
    const { failure } = this.#changes;
    render(failure ? html`<p>${this.#words(failure)}</p>
      <button type="button" class="button" @click=${() => this.#changes.make(failure.change, failure.now?.version ?? failure.version)}>${locale.t(failure.now ? texts.editAgain : terms.tryAgain)}</button>
      <button type="button" class="button" @click=${() => this.#changes.dismiss()}>${locale.t(texts.editDismiss)}</button>` : nothing, this.#element);
  }

  /** @param {Failure} failure */
  #words({ change, error, conflict, now }) {
    const { locale } = this.#session;
    const id = visible(change.id);
    const mine = visible(change.value) || locale.t(terms.unknown);
    if (!conflict) return locale.t(texts.editNotMade, { id, reason: decisionWords(error, locale) });
    if (!now) return locale.t(texts.editConflictUnknown, { id, mine });
    return locale.t(texts.editConflict, { id, mine, now: visible(now[change.field] ?? '') || locale.t(terms.unknown) });
  }
}

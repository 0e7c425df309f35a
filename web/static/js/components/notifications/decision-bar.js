// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { find, setText } from '../dom.js';
import { decisionWords } from '../registry/decision.js';
import { whyField, whyOf } from '../versions/why.js';
import { texts } from './texts.js';

/**
 * @typedef {object} Deciding What is decided, while it is changed.
 * @property {boolean} busy
 * @property {boolean} dirty
 * @property {boolean} conflict
 * @property {boolean} made
 * @property {unknown} error
 * @property {{version: number} | null} theirs What somebody else has decided since.
 * @property {{in_force: boolean, decided_by: string} | null} base
 * @property {() => void} reset
 * @property {() => Promise<void>} readAgain
 *
 * @typedef {object} Shown
 * @property {boolean} fresh Whether it is something new, which can be saved at once.
 * @property {(version: number) => string} by Who has decided a version, and when; empty if that is not known.
 * @property {(version: number) => string} why The reason that was given; empty for none.
 * @property {unknown} theirs What they have changed.
 * @property {string} waits Why what is decided is not in force.
 * @property {string} [said] What has just been changed; empty for nothing that has to be said.
 * @property {string} [back] What the button says that takes back what was decided; empty for none.
 */

/** What can be done about what was typed, and what came of it. */
export class DecisionBar {
  #element;
  #session;
  #draft;
  #doing;

  /**
   * @param {HTMLElement} element With a place for the outcome, one for what others have changed, and one for the buttons.
   * @param {import('../../app/session.js').Session} session
   * @param {Deciding} draft
   * @param {{onSave: (reason: string) => void, onBack: () => void, onDiscard: () => void}} doing
   */
  constructor(element, session, draft, doing) {
    this.#element = element;
    this.#session = session;
    this.#draft = draft;
    this.#doing = doing;
  }

  focus() {
    this.#outcome.focus();
  }

  get #outcome() {
    return find(this.#element, '.entry-outcome', HTMLElement);
  }

  /** Also in another language. @param {Shown} shown */
  show({ back = '', by, fresh, said = '', theirs, waits, why }) {
    const { locale } = this.#session;
    const { base, busy, conflict, dirty } = this.#draft;
    const focused = document.activeElement;
    const [kind, words] = this.#words(by, waits, said);
    this.#outcome.dataset['kind'] = kind;
    setText(this.#outcome, words);
    const reason = conflict && this.#draft.theirs ? why(this.#draft.theirs.version) : '';
    render(conflict && !busy && this.#draft.theirs ? html`${reason ? html`<p>${locale.t(texts.theirReason, { reason: visible(reason) })}</p>` : nothing}<h4>${locale.t(texts.theirChanges)}</h4>${theirs}` : nothing, find(this.#element, '.their-changes', HTMLElement));
    const again = conflict && !busy;
    render(html`${dirty || fresh ? whyField(locale) : nothing}
      ${again ? html`<button type="button" class="button button-main" data-do="merge" @click=${() => void this.#draft.readAgain()}>${locale.t(texts.mergeTheirs)}</button>`
        : html`<button type="button" class="button button-main" data-do="save" ?disabled=${busy || !(dirty || fresh)} @click=${() => this.#doing.onSave(whyOf(this.#element))}>${locale.t(texts.saveDecided)}</button>`}
      <button type="button" class="button" data-do="discard" ?disabled=${busy || !dirty} @click=${this.#doing.onDiscard}>${locale.t(texts.discardTyped)}</button>
      ${back && base?.decided_by === 'people' ? html`<button type="button" class="button button-danger" data-do="back" ?disabled=${busy} @click=${this.#doing.onBack}>${back}</button>` : nothing}`,
    find(this.#element, '.entry-buttons', HTMLElement));
    // The button that was pressed is gone, or cannot be pressed now: what came of it is read next.
    if (focused instanceof HTMLButtonElement && (focused.disabled || !focused.isConnected) && focused.dataset['do']) this.focus();
  }

  /**
   * @param {(version: number) => string} by
   * @param {string} waits
   * @param {string} said
   * @returns {[string, string]} The kind of what there is to say, and the words.
   */
  #words(by, waits, said) {
    const { locale } = this.#session;
    const { base, busy, conflict, dirty, error, made, theirs } = this.#draft;
    if (busy) return ['busy', locale.t(texts.beingSaved)];
    if (conflict) return ['conflict', theirs ? locale.t(texts.changedBy, { by: by(theirs.version) || locale.t(terms.unknown) }) : locale.t(texts.changedUnknown)];
    if (error) return ['failed', decisionWords(error, locale)];
    if (dirty) return ['typed', [said, locale.t(texts.notesTyped)].filter(Boolean).join(locale.t(terms.sentenceSeparator))];
    if (base && !base.in_force) return ['waiting', locale.t(texts.decidedWaiting, { reason: waits })];
    return made ? ['saved', locale.t(texts.decidedInForce)] : ['', ''];
  }
}

// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { whyField, whyOf } from '../../../components/versions/why.js';
import { decisionWords } from '../../../components/registry/decision.js';
import { find, setText } from '../../../components/dom.js';
import { HistoryError } from '../../../model/history.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rule-draft.js').RuleDraft} RuleDraft
 *
 * @typedef {object} Doing What the buttons do.
 * @property {() => void} onEdit
 * @property {() => void} onView Leaves the form, without what was typed.
 * @property {(reason: string) => void} onSave
 * @property {() => void} onDelete
 * @property {() => void} onToggle Disables or enables the rule.
 */

/** What can be done about a rule, and what came of it. */
export class DecisionPart {
  #root;
  #session;
  #draft;
  #doing;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {RuleDraft} draft
   * @param {Doing} doing
   */
  constructor(root, session, draft, doing) {
    this.#root = root;
    this.#session = session;
    this.#draft = draft;
    this.#doing = doing;
  }

  focus() {
    this.#outcome.focus();
  }

  get #outcome() {
    return find(this.#root, '#rule-outcome', HTMLElement);
  }

  /**
   * Also in another language.
   *
   * @param {{editing: boolean, fresh: boolean, by: (version: number) => string}} how By says who has decided a version, and when.
   */
  show({ editing, fresh, by }) {
    const [kind, words] = this.#words(by);
    const focused = document.activeElement;
    const buttons = find(this.#root, '#rule-buttons', HTMLElement);
    this.#outcome.dataset['kind'] = kind;
    setText(this.#outcome, words);
    render(editing ? this.#editing(fresh) : this.#viewing(), buttons);
    // The button that was pressed is gone, or cannot be pressed now: what came of it is read next.
    if (focused instanceof HTMLButtonElement && focused.closest('#rule-buttons') !== null && focused.disabled) this.focus();
  }

  /** @param {boolean} fresh */
  #editing(fresh) {
    const { locale } = this.#session;
    const { busy, conflict, dirty } = this.#draft;
    const again = conflict && !busy && !fresh;
    return html`${whyField(locale)}${again
      ? html`<button type="button" class="button button-main" id="rule-again" @click=${() => void this.#draft.readAgain()}>${locale.t(texts.ruleAgain)}</button>`
      : html`<button type="button" class="button button-main" id="rule-save" ?disabled=${busy || (!dirty && !fresh)} @click=${() => this.#doing.onSave(whyOf(this.#root))}>${locale.t(fresh ? texts.addRule : texts.saveRule)}</button>`}
      <button type="button" class="button" id="rule-cancel" ?disabled=${busy} @click=${this.#doing.onView}>${locale.t(dirty ? texts.discardRule : texts.leaveForm)}</button>`;
  }

  #viewing() {
    const { locale } = this.#session;
    const { base, busy, name } = this.#draft;
    if (!base || base.version === 0) return nothing;
    return html`<button type="button" class="button button-main" id="rule-edit" ?disabled=${busy} @click=${this.#doing.onEdit}>${locale.t(base.origin === 'configuration' ? texts.editHere : texts.editRule)}</button>
      <button type="button" class="button" id="rule-toggle" ?disabled=${busy} @click=${this.#doing.onToggle}>${locale.t(base.disabled ? texts.enable : texts.disableOpen)}</button>
      <a class="button" id="rule-copy" ?hidden=${base.condition.kind === 'offline'} href=${this.#session.href(`rules/new?${new URLSearchParams({ new: '1', from: name })}`)}>${locale.t(texts.copyRule)}</a>
      <button type="button" class="button button-danger" id="rule-delete" ?disabled=${busy} @click=${this.#doing.onDelete}>${locale.t(texts.deleteOpen)}</button>`;
  }

  /**
   * @param {(version: number) => string} by
   * @returns {[string, string]} The kind of what there is to say, and the words.
   */
  #words(by) {
    const { locale } = this.#session;
    const { base, busy, conflict, error, made, theirs } = this.#draft;
    if (busy) return ['busy', locale.t(texts.ruleSaving)];
    if (conflict) return ['conflict', theirs ? locale.t(texts.ruleChanged, { by: by(theirs.version) }) : locale.t(texts.ruleChangedUnknown)];
    if (error instanceof HistoryError && error.status === 409) return ['failed', locale.t(texts.nameTaken)];
    if (error) return ['failed', decisionWords(error, locale)];
    if (base && !base.in_force) return ['waiting', locale.t(texts.ruleWaiting)];
    return made ? ['saved', locale.t(texts.ruleInForce)] : ['', ''];
  }
}

// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { reasonWords } from '../../locale/reasons.js';
import { visible } from '../../locale/visible.js';
import { isSendable, readable } from '../../model/dead-letters.js';
import { outcome } from './letter-row.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/dead-letters.js').DeadLetter} DeadLetter
 * @typedef {import('../../model/dead-letters.js').Resent} Resent
 * @typedef {import('../../app/session.js').Session} Session
 */

/** One dead letter in full: what is wrong, where the record was, and its bytes. It is shown while the address names it. */
export class LetterDetail {
  #element;
  #session;
  #list;
  #resend;
  #request;
  /** @type {DeadLetter | null} The whole one, once it has been asked for. */
  #whole = null;
  /** The id that is shown; empty for none. */
  #id = '';

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {object} options
   * @param {import('../../model/dead-letters.js').DeadLetterStore} options.list
   * @param {(ids: string[]) => void} options.onResend
   * @param {AbortSignal} signal
   */
  constructor(element, session, { list, onResend }, signal) {
    this.#element = element;
    this.#session = session;
    this.#list = list;
    this.#resend = onResend;
    this.#request = session.ask((asking) => session.history.deadLetter(this.#id, asking), (letter) => (this.#whole = letter), signal);
    this.#request.subscribe(() => this.update(), { signal });
    element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#close();
    }, { signal });
  }

  /** The id that the address names; empty if it names none. */
  get addressed() {
    return this.#session.address.get('letter');
  }

  /** The id of the one that is shown; empty if none is. */
  get id() {
    return this.#id;
  }

  /** Shows the one that the address names. */
  open() {
    const id = this.addressed;
    if (id === this.#id) return;
    this.#request.cancel();
    this.#id = id;
    this.#whole = null;
    // One of a bookmark may not be in the list.
    if (id && !this.#listed) this.#request.load();
    this.update();
    if (id) this.#element.querySelector('h3')?.focus();
  }

  get #listed() {
    return this.#list.items.find(({ id }) => id === this.#id);
  }

  #close() {
    this.#session.address.push({ letter: '' });
  }

  /** Also in another language. */
  update() {
    const id = this.#id;
    this.#element.hidden = id === '';
    if (id === '') {
      render(nothing, this.#element);
      return;
    }
    const { locale } = this.#session;
    const letter = this.#whole ?? this.#listed;
    const failed = this.#request.phase === 'failed' ? locale.t(texts.letterFailed, { reason: this.#request.reason || locale.t(terms.disconnected) }) : '';
    render(html`<header class="letter-head">
        <h3 id="letter-title" tabindex="-1">${locale.t(texts.letterDetail, { id: visible(id) })}</h3>
        <button type="button" class="button" @click=${() => this.#resend([id])} ?hidden=${!letter || !isSendable(letter)}>${locale.t(texts.resend)}</button>
        <button type="button" class="button button-icon" aria-label=${locale.t(terms.close)} @click=${() => this.#close()}><svg class="icon" aria-hidden="true"><use href="#icon-close"></use></svg></button>
      </header>
      ${failed ? html`<p class="letter-problem" role="alert">${failed}</p>` : nothing}
      ${letter ? this.#content(letter) : nothing}`, this.#element);
  }

  /** @param {DeadLetter} letter */
  #content(letter) {
    const { locale } = this.#session;
    const resent = this.#list.resent(letter.id);
    const text = readable(letter);
    return html`${resent ? html`<p class="letter-outcome" data-result=${resent.result}>${outcome(resent, locale)}</p>` : nothing}
      ${text === ''
        ? html`<p class="letter-empty">${locale.t(texts.letterEmpty)}</p>`
        : html`<pre class="letter-value" tabindex="0" role="region" aria-label=${locale.t(texts.letterValue, { id: letter.id })}>${letter.encoding === 'base64' ? text : shown(text)}</pre>`}
      ${letter.complete || this.#whole ? nothing : html`<button type="button" class="button" @click=${() => this.#request.load()}>${locale.t(texts.letterWhole)}</button>`}
      <dl class="facts">${this.#facts(letter).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
  }

  /**
   * @param {DeadLetter} letter
   * @returns {[string, string][]}
   */
  #facts(letter) {
    const { field, kind, key, size, rejected_at: rejected, received_by: receiver, source } = letter;
    const { locale, clock } = this.#session;
    const when = (/** @type {string} */ at) => locale.timeOrDate(Date.parse(at), clock.now());
    /** @type {[string, string][]} */
    const facts = [
      [locale.t(terms.reason), reasonWords(letter, locale)],
      [locale.t(texts.letterField), visible(field) || locale.t(texts.wholeRecord)],
      [locale.t(texts.letterDevice), receiver ? '' : visible(key)],
      [locale.t(texts.letterReceiver), visible(receiver?.name ?? '')],
      [locale.t(texts.letterTopic), visible(receiver?.topic ?? '')],
      [locale.t(texts.letterSource), source ? locale.t(texts.letterPlace, { ...source, partition: String(source.partition), offset: String(source.offset) }) : ''],
      [locale.t(texts.letterAppended), source ? when(source.appended_at) : ''],
      [locale.t(texts.letterTime), when(rejected)],
      [locale.t(texts.letterKind), receiver ? '' : visible(kind)],
      [locale.t(texts.letterSize), locale.t(texts.letterBytes, { count: size })],
    ];
    return facts.filter(([, value]) => value !== '');
  }
}

/**
 * Returns a text with its lines and every other invisible character written as its code.
 *
 * @param {string} text
 */
function shown(text) {
  return text.split('\n').map(visible).join('\n');
}

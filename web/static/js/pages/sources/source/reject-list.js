// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { reasonWords } from '../../../locale/reasons.js';
import { visible } from '../../../locale/visible.js';
import { readable } from '../../../model/dead-letters.js';
import { base64Of, laidOut } from '../../../model/sources.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/sources.js').Reject} Reject
 * @typedef {import('../../../model/sources.js').Sample} Sample
 * @typedef {import('../../../locale/locale.js').Locale} Locale
 */

/** The last messages that a source has rejected, each with its bytes. */
export class RejectList {
  #element;
  #session;
  /** Those that are open, and those of them that are shown as bytes. */
  #open = new Set();
  #bytes = new Set();
  /** @type {Reject[]} */
  #rejects = [];

  /**
   * @param {HTMLElement} element
   * @param {import('../../../app/session.js').Session} session
   */
  constructor(element, session) {
    this.#element = element;
    this.#session = session;
  }

  /** @param {Reject[]} rejects The newest first. */
  show(rejects) {
    this.#rejects = rejects;
    const keys = new Set(rejects.map(keyOf));
    for (const set of [this.#open, this.#bytes]) for (const key of set) if (!keys.has(key)) set.delete(key);
    this.#draw();
  }

  #draw() {
    const { locale } = this.#session;
    if (this.#rejects.length === 0) render(html`<p class="empty">${locale.t(texts.noRejects)}</p>`, this.#element);
    else render(html`<ul class="rejects">${this.#rejects.map((reject) => this.#item(reject))}</ul>`, this.#element);
  }

  /** @param {Reject} reject */
  #item(reject) {
    const { clock, locale } = this.#session;
    const key = keyOf(reject);
    const open = this.#open.has(key);
    const field = visible(reject.field) || locale.t(texts.rejectWhole);
    return html`<li>
      <button type="button" class="reject" aria-expanded=${open} @click=${() => this.#turn(this.#open, key)}>
        <span class="reject-head"><time>${locale.timeOrDate(Date.parse(reject.at), clock.now())}</time> <span class="reject-topic">${visible(reject.topic)}</span></span>
        <span class="reject-reason"><strong>${field}</strong> ${reasonWords(reject, locale)}</span>
      </button>
      ${open ? messageParts(reject, { bytes: this.#bytes.has(key), locale, label: locale.t(texts.rejectPayload, { topic: visible(reject.topic) }), onTurn: () => this.#turn(this.#bytes, key) }) : nothing}
    </li>`;
  }

  /**
   * @param {Set<string>} set
   * @param {string} key
   */
  #turn(set, key) {
    if (!set.delete(key)) set.add(key);
    this.#draw();
  }
}

/** @param {Reject} reject */
function keyOf({ at, topic, field, reason, payload }) {
  return JSON.stringify([at, topic, field, reason, payload]);
}

/**
 * Shows a message as its text, laid out if it is JSON, or as bytes.
 *
 * @param {Sample} sample
 * @param {{bytes: boolean, locale: Locale, label: string, onTurn: () => void}} view
 */
export function messageParts(sample, { bytes, locale, label, onTurn }) {
  if (sample.size === 0) return html`<p class="soft">${locale.t(texts.emptyMessage)}</p>`;
  const binary = sample.encoding === 'base64';
  const words = bytes || binary ? readable({ encoding: 'base64', value: base64Of(sample) }) : shown(laidOut(sample));
  const length = binary ? atob(sample.payload).length : new TextEncoder().encode(sample.payload).length;
  return html`<div class="message">
    <pre class="letter-value" tabindex="0" role="region" aria-label=${label}>${words}</pre>
    <p class="message-foot">${binary ? nothing : html`<button type="button" class="link" @click=${onTurn}>${locale.t(bytes ? texts.showText : texts.showHex)}</button>`}
    ${sample.complete ? nothing : html`<span class="soft">${locale.t(texts.cutAt, { shown: length, size: sample.size })}</span>`}</p>
  </div>`;
}

/**
 * Lines stay lines; what else cannot be seen is written as its code.
 *
 * @param {string} text
 */
function shown(text) {
  return text.split('\n').map(visible).join('\n');
}

// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { HistoryError } from '../../model/history.js';
import { notTaken, testChannel } from '../../model/notifications.js';
import { texts } from './texts.js';
import { channelKind, listed, targetWords } from './words.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/notifications.js').Channel} Channel
 * @typedef {import('../../model/notifications.js').Delivery} Delivery
 */

/** The channels, each of which can be tried. */
export class ChannelList {
  #element;
  #session;
  #onTested;
  #signal;
  /** @type {Channel[]} */
  #channels = [];
  /** What became of the last test of each; null while it is being sent. @type {Map<string, {tried: Delivery[]} | {error: unknown} | null>} */
  #tests = new Map();

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {{onTested: () => void}} options
   * @param {AbortSignal} signal
   */
  constructor(element, session, { onTested }, signal) {
    this.#element = element;
    this.#session = session;
    this.#onTested = onTested;
    this.#signal = signal;
  }

  /** @param {Channel[]} channels */
  show(channels) {
    this.#channels = channels;
    this.draw();
  }

  /** @param {string} name */
  async #test(name) {
    if (this.#tests.get(name) === null) return;
    this.#tests.set(name, null);
    this.draw();
    try {
      const { items } = await testChannel(this.#session.history, name, this.#signal);
      this.#tests.set(name, { tried: items });
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#tests.set(name, { error });
    }
    this.draw();
    this.#onTested();
  }

  /** Also in another language. */
  draw() {
    const { locale } = this.#session;
    if (this.#channels.length === 0) {
      render(nothing, this.#element);
      return;
    }
    const heads = [terms.name, texts.channelKind, texts.recipients, texts.channelState];
    render(html`<table class="values channels">
      <thead><tr>${heads.map((text) => html`<th scope="col">${locale.t(text)}</th>`)}<th scope="col"><span class="visually-hidden">${locale.t(texts.channelTest)}</span></th></tr></thead>
      ${this.#channels.map((channel) => this.#channel(channel))}
    </table>`, this.#element);
  }

  /** @param {Channel} channel */
  #channel({ name, kind, language, recipients = [], pending, failed, refused }) {
    const { locale } = this.#session;
    const lost = (/** @type {import('../../locale/locale.js').Text} */ text, /** @type {number} */ count) => (count > 0 ? html`<strong class="channel-failed">${locale.t(text, { count })}</strong>` : '');
    const counts = [lost(texts.channelRefused, refused), lost(texts.channelFailed, failed), pending > 0 ? locale.t(texts.channelPending, { count: pending }) : ''].filter(Boolean);
    const outcome = this.#outcome(name);
    return html`<tbody><tr>
        <th scope="row">${visible(name)}</th>
        <td>${channelKind(kind, locale)} · ${language}</td>
        <td class="wide">${listed(recipients, locale) || locale.t(terms.unknown)}</td>
        <td>${counts.length > 0 ? counts.map((part, i) => html`${i > 0 ? ' · ' : ''}${part}`) : locale.t(terms.unknown)}</td>
        <td class="channel-test"><button type="button" class="button" aria-label=${locale.t(texts.channelTestOf, { name: visible(name) })} ?disabled=${this.#tests.get(name) === null} @click=${() => void this.#test(name)}>${locale.t(texts.channelTest)}</button></td>
      </tr>
      ${outcome === nothing ? nothing : html`<tr class="channel-outcome"><td colspan="5"><div role="status">${outcome}</div></td></tr>`}</tbody>`;
  }

  /** @param {string} name */
  #outcome(name) {
    const { locale } = this.#session;
    const test = this.#tests.get(name);
    if (test === undefined) return nothing;
    if (test === null) return html`<p>${locale.t(texts.testing)}</p>`;
    if ('error' in test) {
      return html`<p class="channel-refused">${locale.t(texts.sendFailed, { reason: test.error instanceof HistoryError ? visible(test.error.message) : locale.t(terms.disconnected) })}</p>`;
    }
    return test.tried.map((delivery) => {
      const words = { target: targetWords(delivery, locale), outcome: visible(delivery.outcome ?? '') || locale.t(texts.answerEmpty) };
      const text = delivery.state === 'sent' ? texts.testSent : notTaken(delivery) ? texts.testFailed : texts.testWaits;
      return html`<p class=${delivery.state === 'sent' ? 'channel-taken' : 'channel-refused'}>${locale.t(text, words)}</p>`;
    });
  }
}

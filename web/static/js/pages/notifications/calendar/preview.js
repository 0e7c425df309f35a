// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { HistoryError } from '../../../model/history.js';
import { tryCalendar } from '../../../model/notifications.js';
import { listed } from '../words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/notifications.js').CalendarBody} CalendarBody
 * @typedef {import('../../../model/notifications.js').Turn} Turn
 */

/** How long nothing may have been typed before it is asked, in milliseconds. */
const pause = 300;

/** The name by which a new calendar is tried that has none yet. */
const nameless = 'new';

/** Shows who would be on call by what was typed, beside who is. */
export class Preview {
  #element;
  #session;
  #signal;
  #asked = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {{next: Turn[], in_force?: Turn[]} | null} */
  #found = null;
  /** @type {unknown} */
  #error = null;
  #edited = false;
  #zone = '';

  /**
   * @param {HTMLElement} element
   * @param {import('../../../app/session.js').Session} session
   * @param {AbortSignal} signal
   */
  constructor(element, session, signal) {
    this.#element = element;
    this.#session = session;
    this.#signal = signal;
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  /**
   * Also in another language. Asks if something else is to be shown.
   *
   * @param {CalendarBody} calendar
   * @param {{edited: boolean, version: number}} of Edited: it is another one than what is decided, which has this version.
   */
  show(calendar, { edited, version }) {
    const asked = JSON.stringify([calendar, version]);
    this.#edited = edited;
    this.#zone = calendar.time_zone;
    if (asked !== this.#asked) {
      const first = this.#asked === '';
      this.#asked = asked;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#ask({ ...calendar, name: calendar.name || nameless }), first ? 0 : pause);
    }
    this.#draw();
  }

  /** @param {CalendarBody} calendar */
  async #ask(calendar) {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const signal = AbortSignal.any([this.#asking.signal, this.#signal]);
    try {
      const found = await tryCalendar(this.#session.history, calendar, signal);
      if (signal.aborted) return;
      this.#found = found;
      this.#error = null;
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error;
    }
    this.#draw();
  }

  #draw() {
    const { locale } = this.#session;
    const found = this.#found;
    if (this.#error) {
      const { message } = this.#error instanceof HistoryError ? this.#error.mistakes[0] ?? this.#error : { message: locale.t(terms.disconnected) };
      const place = this.#error instanceof HistoryError ? (this.#error.mistakes[0]?.location ?? '').replace(/^body\.(calendar\.)?/, '') : '';
      render(html`<p class="preview-wrong">${locale.t(texts.previewWrong, { reason: visible([place, message].filter(Boolean).join(': ')) })}</p>`, this.#element);
      return;
    }
    if (!found) {
      render(html`<p class="soft">${locale.t(texts.previewLoading)}</p>`, this.#element);
      return;
    }
    const same = JSON.stringify(found.next) === JSON.stringify(found.in_force);
    const both = this.#edited && found.in_force && !same;
    render(html`<p class="soft">${locale.t(texts.previewZone, { zone: visible(this.#zone) })}</p>${this.#edited && same ? html`<p class="soft">${locale.t(texts.previewSame)}</p>` : nothing}
      <div class="tried">${this.#turns(this.#edited ? locale.t(texts.previewEdited) : '', found.next, both ? found.in_force ?? [] : found.next)}${both ? this.#turns(locale.t(texts.previewDecided), found.in_force ?? [], found.next) : nothing}</div>`, this.#element);
  }

  /**
   * @param {string} title
   * @param {Turn[]} turns
   * @param {Turn[]} others Those with which they are compared: what is not among them is marked.
   */
  #turns(title, turns, others) {
    const { locale } = this.#session;
    const known = new Set(others.map((turn) => JSON.stringify(turn)));
    const at = (/** @type {string} */ time) => locale.planned(Date.parse(time), this.#zone);
    return html`<section>${title ? html`<h4>${title}</h4>` : nothing}<ol class="turns">${turns.map((turn) => html`<li data-differs=${known.has(JSON.stringify(turn)) ? nothing : 'true'}>${locale.t(texts.previewTurn, { from: at(turn.from), until: at(turn.until), who: listed(turn.channels, locale) })}</li>`)}</ol></section>`;
  }
}

// @ts-check
import { icon, setText, textElement } from './dom.js';
import { texts } from './texts.js';

/** Says above everything else that what is shown is old. */
export class StaleBanner {
  #element;
  #announcer;
  #session;
  #text = textElement('span', '');

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} announcer Reads aloud that it is so, once: the banner counts the seconds.
   * @param {import('../app/session.js').Session} session
   * @param {AbortSignal} signal
   */
  constructor(element, announcer, session, signal) {
    this.#element = element;
    this.#announcer = announcer;
    this.#session = session;
    element.append(icon('warning'), this.#text);
    session.freshness.subscribe(() => this.update(), { signal });
    this.update();
  }

  /** Also in another language. */
  update() {
    const { locale, connection, freshness: { stale, age } } = this.#session;
    const words = connection.state.phase === 'open' ? texts.staleSilent : texts.staleDisconnected;
    this.#element.hidden = !stale;
    setText(this.#announcer, stale ? locale.t(texts.stale) : '');
    setText(this.#text, stale ? locale.t(words, { age: locale.duration(Number(age)) }) : '');
  }
}

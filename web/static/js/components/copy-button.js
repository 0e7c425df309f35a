// @ts-check
import { say } from './dom.js';
import { texts } from './texts.js';

/** Copies a text, and says whether it has. */
export class CopyButton {
  #said;
  #session;

  /**
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} said Where it says so.
   * @param {import('../app/session.js').Session} session
   * @param {() => string} text
   * @param {AbortSignal} signal
   */
  constructor(button, said, session, text, signal) {
    this.#said = said;
    this.#session = session;
    button.addEventListener('click', () => void this.#copy(text()), { signal });
  }

  /** @param {string} text */
  async #copy(text) {
    const { locale } = this.#session;
    try {
      await navigator.clipboard.writeText(text);
      say(this.#said, locale.t(texts.copied));
    } catch { // Over HTTP from another host, browsers have no clipboard.
      say(this.#said, locale.t(texts.copyFailed));
    }
  }

  /** Also in another language. */
  show() {
    this.#said.textContent = '';
  }
}

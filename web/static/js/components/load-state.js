// @ts-check
import { texts } from './texts.js';
import { terms } from '../locale/terms.js';
import { find, setText } from './dom.js';

/**
 * @typedef {import('../app/session.js').Session} Session
 * @typedef {import('../locale/locale.js').Text} Text
 */

/**
 * Says that something is being loaded, that there is nothing, or why loading failed, with a button to try again.
 */
export class LoadState {
  #element;
  #session;
  #words;

  /**
   * @param {HTMLElement} element With a paragraph and a button.
   * @param {Session} session
   * @param {object} options
   * @param {Text | (() => Text)} options.empty What to say when there is nothing.
   * @param {Text} [options.failed] What to say when it failed, of a {reason}.
   * @param {() => void} options.onRetry
   * @param {AbortSignal} signal
   */
  constructor(element, session, { empty, failed = texts.historyFailed, onRetry }, signal) {
    this.#element = element;
    this.#session = session;
    this.#words = { empty, failed };
    find(element, 'button', HTMLButtonElement).addEventListener('click', onRetry, { signal });
  }

  /**
   * @param {{phase: 'idle' | 'loading' | 'loaded' | 'failed', reason: string}} request
   * @param {{empty: boolean}} shown Whether there is nothing else to see.
   */
  update({ phase, reason }, { empty }) {
    const { locale } = this.#session;
    const { empty: nothing } = this.#words;
    const failed = phase === 'failed';
    // What has been loaded stays in sight while more is loaded, and also when that fails, but then the failure is shown beside it.
    this.#element.hidden = !empty && !failed;
    this.#element.classList.toggle('load-state-corner', !empty);
    const words = failed
      ? locale.t(this.#words.failed, { reason: reason || locale.t(terms.disconnected) })
      : locale.t(phase !== 'loaded' ? terms.loading : typeof nothing === 'function' ? nothing() : nothing);
    setText(find(this.#element, 'p', HTMLElement), this.#element.hidden ? '' : words);
    find(this.#element, 'button', HTMLButtonElement).hidden = !failed;
  }
}

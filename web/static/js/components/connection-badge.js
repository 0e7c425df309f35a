// @ts-check
import { terms } from '../locale/terms.js';
import { find, setIcon, setText } from './dom.js';
import { texts } from './texts.js';

/** @typedef {import('../app/session.js').Session} Session */

const icons = /** @type {const} */ ({ open: 'online', connecting: 'connecting', waiting: 'offline' });
const words = { open: terms.live, connecting: texts.connecting, waiting: terms.disconnected };

/** Shows in the page's head, and in that of a dialog which hides it, whether the page is connected, and otherwise when it tries again. */
export class ConnectionBadge {
  #element;
  #session;

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(element, session, signal) {
    this.#element = element;
    this.#session = session;
    find(element, 'button', HTMLButtonElement).addEventListener('click', () => session.connection.connect(), { signal });
    session.connection.subscribe(() => this.update(), { signal });
    session.freshness.subscribe(() => this.update(), { signal });
  }

  /** Shows the state and counts down. */
  update() {
    const { locale, connection: { state, retryIn }, freshness } = this.#session;
    this.#element.dataset['phase'] = state.phase;
    // No message has come for so long that the connection may be lost.
    const silent = freshness.stale && state.phase === 'open';
    setIcon(find(this.#element, 'svg', SVGElement), silent ? 'warning' : icons[state.phase]);
    setText(find(this.#element, '.connection-text', HTMLElement), locale.t(silent ? texts.silent : words[state.phase]));
    // The countdown is outside the live region, or every second of it would be read aloud.
    const countdown = state.phase === 'waiting' ? locale.t(texts.retryIn, { seconds: Math.ceil(retryIn / 1000) }) : '';
    setText(find(this.#element, '.connection-countdown', HTMLElement), countdown);
    find(this.#element, 'button', HTMLButtonElement).hidden = state.phase !== 'waiting';
  }
}

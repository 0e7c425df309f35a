// @ts-check
import { find, setIcon, setText } from '../components/dom.js';

/**
 * @typedef {import('../model/connection.js').ConnectionState} ConnectionState
 * @typedef {import('./surroundings.js').Surroundings} Surroundings
 */

const icons = /** @type {const} */ ({ open: 'online', connecting: 'connecting', waiting: 'offline' });
const words = /** @type {const} */ ({ open: 'connected', connecting: 'connecting', waiting: 'disconnected' });

/** Tells in the page's head whether the connection stands, and otherwise when it is tried again. */
export class ConnectionBadge {
  #element;
  #surroundings;
  /** @type {ConnectionState} */
  #state = { phase: 'connecting' };
  /** Whether nothing has come over the connection for so long that it is none to rely on. */
  silent = false;

  /**
   * @param {HTMLElement} element
   * @param {Surroundings} surroundings
   * @param {() => void} onRetry
   */
  constructor(element, surroundings, onRetry) {
    this.#element = element;
    this.#surroundings = surroundings;
    find(element, 'button', HTMLButtonElement).addEventListener('click', onRetry);
  }

  /** @param {ConnectionState} state */
  show(state) {
    this.#state = state;
    this.update();
  }

  /** Counts down; to be called every second. */
  update() {
    const { locale } = this.#surroundings;
    const state = this.#state;
    // No wait is longer; the clock may have been set back.
    const seconds = state.phase === 'waiting' ? Math.max(0, Math.min(30, Math.ceil((state.retryAt - Date.now()) / 1000))) : 0;
    this.#element.dataset['phase'] = state.phase;
    const silent = this.silent && state.phase === 'open';
    setIcon(find(this.#element, 'svg', SVGElement), silent ? 'warning' : icons[state.phase]);
    setText(find(this.#element, '.connection-text', HTMLElement), locale.t(silent ? 'silent' : words[state.phase]));
    // Outside of what is read aloud, or every second would be.
    const countdown = state.phase === 'waiting' ? locale.t('retryIn', { seconds }) : '';
    setText(find(this.#element, '.connection-countdown', HTMLElement), countdown);
    find(this.#element, 'button', HTMLButtonElement).hidden = state.phase !== 'waiting';
  }
}

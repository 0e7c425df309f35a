// @ts-check
import { find, setText } from '../../components/dom.js';
import { closing } from '../../components/menu.js';
import { texts } from './texts.js';

/** @typedef {import('../../app/session.js').Session} Session */

/** How new alerts are signalled to the reader, on every page. The choice is kept. */
export class SignalsMenu {
  #menu;
  #session;
  #denied = false;

  /**
   * @param {HTMLDetailsElement} menu
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(menu, session, signal) {
    this.#menu = menu;
    this.#session = session;
    const { preferences } = session;
    this.#box('sound').addEventListener('change', () => {
      preferences.alertSound = this.#box('sound').checked;
      this.show();
    }, { signal });
    this.#box('notify').addEventListener('change', () => void this.#notify(), { signal });
    closing(menu, signal);
  }

  async #notify() {
    const { preferences } = this.#session;
    preferences.alertNotify = this.#box('notify').checked;
    this.#denied = preferences.alertNotify && (!('Notification' in globalThis) || (await Notification.requestPermission()) !== 'granted');
    if (this.#denied) preferences.alertNotify = false;
    this.show();
  }

  /** @param {string} name */
  #box(name) {
    return find(this.#menu, `[name="${name}"]`, HTMLInputElement);
  }

  /** Also in another language. */
  show() {
    const { locale, preferences } = this.#session;
    this.#box('sound').checked = preferences.alertSound;
    this.#box('notify').checked = preferences.alertNotify;
    const problem = this.#denied ? texts.notifyDenied : preferences.alertSound && !navigator.userActivation.hasBeenActive ? texts.soundWaits : null;
    setText(find(this.#menu, '#signal-problem', HTMLElement), problem ? locale.t(problem) : '');
  }
}

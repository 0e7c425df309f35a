// @ts-check
import { find, setText } from '../components/dom.js';
import { texts } from './texts.js';

/** How long a change that is on its way is waited for before the reader is asked, in milliseconds, and how often it is looked at. */
const patience = 2000;
const pause = 50;

/** Asks before a page is left that holds what is not saved. */
export class Leaving {
  #dialog;
  #session;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {import('./session.js').Session} session
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, signal) {
    this.#dialog = dialog;
    this.#session = session;
    // Of a tab that is closed or loaded anew the browser itself asks.
    addEventListener('beforeunload', (event) => this.doubtful && event.preventDefault(), { signal });
  }

  /** Whether the page holds what is not saved. */
  get doubtful() {
    return this.#session.unsaved.loss !== '';
  }

  /** Returns whether the page may be left: at once if everything is saved, else what the reader decides. */
  async allowed() {
    const { unsaved } = this.#session;
    for (let waited = 0; unsaved.loss === 'saving' && waited < patience; waited += pause) await new Promise((passed) => setTimeout(passed, pause));
    if (!this.doubtful) return true;
    const dialog = this.#dialog;
    if (dialog.open) return false;
    dialog.returnValue = '';
    this.update();
    dialog.showModal();
    return new Promise((/** @type {(leave: boolean) => void} */ decide) => {
      dialog.addEventListener('close', () => decide(dialog.returnValue === 'leave'), { once: true });
    });
  }

  /** Also in another language. */
  update() {
    const words = this.#session.unsaved.loss === 'saving' ? texts.leaveSaving : texts.leaveTyped;
    setText(find(this.#dialog, 'p', HTMLElement), this.#session.locale.t(words));
  }
}

// @ts-check
import { decisionWords } from '../../../components/registry/decision.js';
import { find, setText } from '../../../components/dom.js';
import { visible } from '../../../locale/visible.js';
import { texts } from './texts.js';

/** @typedef {import('../../../app/session.js').Session} Session */

/** Asks whether a device is really to be forgotten, and has it forgotten. */
export class ForgetDialog {
  #dialog;
  #session;
  #id;
  #onForgotten;
  #signal;
  /** Why it failed. */
  #problem = '';
  #busy = false;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Session} session
   * @param {{id: string, onForgotten: () => void}} device
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, { id, onForgotten }, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#id = id;
    this.#onForgotten = onForgotten;
    this.#signal = signal;
    this.#button('cancel').addEventListener('click', () => dialog.close(), { signal });
    this.#button('forget').addEventListener('click', () => void this.#forget(), { signal });
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  open() {
    this.#problem = '';
    this.show();
    this.#dialog.showModal();
    this.#button('cancel').focus();
  }

  async #forget() {
    if (this.#busy) return;
    this.#busy = true;
    this.#problem = '';
    this.show();
    try {
      await this.#session.history.forget(this.#id, this.#signal);
      this.#dialog.close();
      this.#onForgotten();
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#problem = decisionWords(error, this.#session.locale);
    } finally {
      this.#busy = false;
      this.show();
    }
  }

  /** @param {string} value */
  #button(value) {
    return find(this.#dialog, `button[value="${value}"]`, HTMLButtonElement);
  }

  /** Also in another language. */
  show() {
    setText(find(this.#dialog, 'h3', HTMLElement), this.#session.locale.t(texts.forgetTitle, { id: visible(this.#id) }));
    const problem = find(this.#dialog, '.question-problem', HTMLElement);
    problem.hidden = this.#problem === '';
    setText(problem, this.#problem);
    this.#button('forget').disabled = this.#busy;
  }
}

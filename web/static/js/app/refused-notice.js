// @ts-check
import { find, setText } from '../components/dom.js';

/** Says that the server does not let this page connect, and what whoever runs it can do. */
export class RefusedNotice {
  #reason = '';

  /**
   * @param {HTMLElement} element
   * @param {import('./surroundings.js').Surroundings} surroundings
   */
  constructor(element, surroundings) {
    this.element = element;
    this.surroundings = surroundings;
  }

  /** @param {string} reason The server's words; empty for none. */
  show(reason) {
    this.#reason = reason;
    this.update();
  }

  /** In another language. */
  update() {
    this.element.hidden = !this.#reason;
    setText(find(this.element, 'span', HTMLElement), this.#reason ? this.surroundings.locale.t('originRefused', { reason: this.#reason }) : '');
  }
}

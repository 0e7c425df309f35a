// @ts-check
import { find, setText } from '../components/dom.js';

/** Tells that the server has become another version than the one that this page came from, and offers to load it. */
export class UpdateNotice {
  #version = '';

  /**
   * @param {HTMLElement} element
   * @param {import('./surroundings.js').Surroundings} surroundings
   */
  constructor(element, surroundings) {
    this.element = element;
    this.surroundings = surroundings;
    find(element, 'button', HTMLButtonElement).addEventListener('click', () => location.reload());
  }

  /** @param {string} version The server's, as its greeting has it. */
  compare(version) {
    this.#version = version;
    this.show();
  }

  show() {
    const other = this.#version !== '' && this.#version !== document.documentElement.dataset['version'];
    this.element.hidden = !other;
    setText(find(this.element, 'span', HTMLElement), this.surroundings.locale.t('outdated', { version: this.#version }));
  }
}

// @ts-check
import { find, setText } from '../components/dom.js';

/** How long the notice stays, in milliseconds. */
const shownFor = 10_000;

/** Says for a while after an interruption how old what was shown had become. */
export class CaughtUpNotice {
  #age = 0;
  #until = 0;

  /**
   * @param {HTMLElement} element
   * @param {import('./surroundings.js').Surroundings} surroundings
   */
  constructor(element, surroundings) {
    this.element = element;
    this.surroundings = surroundings;
  }

  /** @param {number} age Of what was shown before, in milliseconds. */
  show(age) {
    this.#age = age;
    this.#until = performance.now() + shownFor;
    this.update();
  }

  /** To be called every second, and in another language. */
  update() {
    const { locale } = this.surroundings;
    this.element.hidden = performance.now() >= this.#until;
    if (!this.element.hidden) setText(find(this.element, 'span', HTMLElement), locale.t('caughtUp', { age: locale.duration(this.#age) }));
  }
}

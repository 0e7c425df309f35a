// @ts-check
import { find } from './dom.js';

/** @typedef {import('../app/address.js').Address} Address */

/** How long after the last key what was typed narrows the list, in milliseconds. */
const typingPause = 250;

/** A form whose controls narrow a list. What they hold is in the address, by the controls' names. */
export class FilterForm {
  #form;
  #address;
  #names;
  /** Runs while something is being typed. @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLFormElement} form It has a button of type "reset" and a control "search".
   * @param {Address} address
   * @param {object} options
   * @param {readonly string[]} options.names The controls'.
   * @param {Record<string, string>} options.reset What the button sets in the address.
   * @param {Record<string, string>} [options.also] What else a control that changes sets in the address.
   * @param {AbortSignal} signal
   */
  constructor(form, address, { names, reset, also = {} }, signal) {
    this.#form = form;
    this.#address = address;
    this.#names = names;
    const apply = () => {
      this.#stop();
      address.replace({ ...Object.fromEntries(names.map((name) => [name, this.control(name).value.trim()])), ...also });
    };
    form.addEventListener('input', ({ target }) => {
      this.#stop();
      if (target instanceof HTMLSelectElement) apply();
      else this.#timer = setTimeout(apply, typingPause);
    }, { signal });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      apply();
    }, { signal });
    form.addEventListener('reset', (event) => {
      event.preventDefault();
      this.#stop();
      address.replace(reset);
      this.control('search').focus(); // The button is gone.
    }, { signal });
    signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @param {string} name */
  control(name) {
    return /** @type {HTMLSelectElement | HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  /** Shows what the address says. What is being typed stays, also a space that does not count. */
  update() {
    for (const name of this.#names) {
      const control = this.control(name);
      const value = this.#address.get(name);
      if (this.#timer === undefined && control.value.trim() !== value) control.value = value;
      control.classList.toggle('active', value !== '');
    }
  }

  /** @param {boolean} offered Whether the button is shown. */
  offerReset(offered) {
    find(this.#form, '[type="reset"]', HTMLButtonElement).hidden = !offered;
  }
}

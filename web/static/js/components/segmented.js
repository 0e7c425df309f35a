// @ts-check
import { find, instantiate, setText } from './dom.js';

/**
 * @typedef {object} Segment
 * @property {string} value
 * @property {string} text
 * @property {string} label The text in full, for screen readers.
 */

/** A row of choices of which one holds: radio buttons, so that the keyboard works as everywhere. */
export class Segmented {
  /**
   * @param {HTMLElement} container The fieldset.
   * @param {(value: string) => void} onChange
   * @param {AbortSignal} signal
   */
  constructor(container, onChange, signal) {
    this.container = container;
    container.addEventListener('change', () => onChange(this.value), { signal });
  }

  get value() {
    return this.container.querySelector('input:checked')?.getAttribute('value') ?? '';
  }

  set value(value) {
    for (const input of this.container.querySelectorAll('input')) input.checked = input.value === value;
  }

  /**
   * Offers these choices, which are always the same ones in another language.
   *
   * @param {Segment[]} segments
   */
  offer(segments) {
    for (const { value, text, label } of segments) {
      const element = this.#segment(value);
      setText(find(element, 'span', HTMLElement), text);
      find(element, 'input', HTMLInputElement).setAttribute('aria-label', label);
      element.title = label;
    }
  }

  /**
   * @param {string} value
   * @returns {HTMLLabelElement}
   */
  #segment(value) {
    for (const label of this.container.querySelectorAll('label')) {
      if (find(label, 'input', HTMLInputElement).value === value) return label;
    }
    const label = instantiate(document, 'segment', HTMLLabelElement);
    const input = find(label, 'input', HTMLInputElement);
    input.name = this.container.id;
    input.value = value;
    this.container.append(label);
    return label;
  }
}

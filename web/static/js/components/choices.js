// @ts-check
import { visible } from '../locale/visible.js';
import { textElement } from './dom.js';

/**
 * Offers choices in a list to select from.
 *
 * @param {HTMLSelectElement} select
 * @param {[string, string][]} choices Values and words.
 * @param {string} value The one that is chosen. It stays so, also while nothing of the kind is known.
 */
export function offerChoices(select, choices, value) {
  const known = choices.some(([choice]) => choice === value);
  const wanted = [...choices, ...(known ? [] : [[value, visible(value)]])];
  const offered = [...select.options].map((option) => [option.value, option.text]);
  if (JSON.stringify(offered) !== JSON.stringify(wanted)) { // Otherwise it may be open.
    const options = wanted.map(([choice, words]) => {
      const option = textElement('option', words ?? '');
      option.value = choice ?? '';
      return option;
    });
    select.replaceChildren(...options);
  }
  if (select.value !== value) select.value = value;
}

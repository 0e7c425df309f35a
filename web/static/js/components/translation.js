// @ts-check
import { terms } from '../locale/terms.js';
import { texts as shared } from './texts.js';

/**
 * @typedef {import('../locale/locale.js').Locale} Locale
 * @typedef {import('../locale/locale.js').Text} Text
 */

/**
 * Where the words go, by the attribute in a template that names them.
 *
 * @type {[string, (element: Element, words: string) => void][]}
 */
const places = [
  ['data-i18n', (element, words) => (element.textContent = words)],
  ['data-i18n-label', (element, words) => element.setAttribute('aria-label', words)],
  ['data-i18n-role', (element, words) => element.setAttribute('aria-roledescription', words)],
  ['data-i18n-title', (element, words) => element.setAttribute('title', words)],
  ['data-i18n-placeholder', (element, words) => element.setAttribute('placeholder', words)],
];

/**
 * Puts the words of a language into what a template itself says.
 *
 * @param {Element} root It may itself name a text.
 * @param {Locale} locale
 * @param {...Record<string, Text>} texts Those of the page, beside those that every page may use.
 */
export function translate(root, locale, ...texts) {
  /** @type {Record<string, Text>} */
  const all = Object.assign({}, terms, shared, ...texts);
  for (const [attribute, put] of places) {
    for (const element of [root, ...root.querySelectorAll(`[${attribute}]`)]) {
      if (!element.hasAttribute(attribute)) continue;
      const key = element.getAttribute(attribute) ?? '';
      const text = all[key];
      if (!text) throw new Error(`there is no text ${key}`);
      put(element, locale.t(text));
    }
  }
}

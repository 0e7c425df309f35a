// @ts-check

/**
 * @typedef {import('../locale/locale.js').Locale} Locale
 * @typedef {import('../locale/translate.js').Key} Key
 */

/**
 * Where the words go, by the attribute in the page's template that names them.
 *
 * @type {[string, (element: Element, words: string) => void][]}
 */
const places = [
  ['data-i18n', (element, words) => (element.textContent = words)],
  ['data-i18n-label', (element, words) => element.setAttribute('aria-label', words)],
  ['data-i18n-title', (element, words) => element.setAttribute('title', words)],
  ['data-i18n-placeholder', (element, words) => element.setAttribute('placeholder', words)],
];

/**
 * Puts the words of a language into what a template itself says.
 *
 * @param {ParentNode} root
 * @param {Locale} locale
 */
export function translate(root, locale) {
  for (const [attribute, put] of places) {
    for (const element of root.querySelectorAll(`[${attribute}]`)) {
      put(element, locale.t(/** @type {Key} */ (element.getAttribute(attribute))));
    }
  }
}

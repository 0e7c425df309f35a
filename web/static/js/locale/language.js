// @ts-check

/** @typedef {'zh' | 'en'} Language */

/** What the page's lang attribute and the number formats go by. @type {Record<Language, string>} */
export const languageTags = { en: 'en-GB', zh: 'zh-CN' };

/**
 * Returns the first language of a reader's list that the page has.
 *
 * @param {readonly string[]} wanted As in navigator.languages.
 * @returns {Language}
 */
export function preferredLanguage(wanted) {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split('-')[0];
    if (language === 'zh' || language === 'en') return language;
  }
  return 'en';
}

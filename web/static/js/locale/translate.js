// @ts-check
import { en } from './en.js';
import { zh } from './zh.js';

/**
 * @typedef {'zh' | 'en'} Language
 * @typedef {import('./en.js').Key} Key
 */

/** @type {Record<Language, import('./en.js').Words>} */
const dictionaries = { en, zh };

/** What the page's lang attribute and the number formats go by. @type {Record<Language, string>} */
export const languageTags = { en: 'en-GB', zh: 'zh-CN' };

/**
 * Returns the first language of a reader's list that the page speaks.
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

/**
 * Returns the words of key, with each {name} replaced.
 *
 * @param {Language} language
 * @param {Key} key
 * @param {Record<string, string | number>} [values]
 */
export function translate(language, key, values = {}) {
  return dictionaries[language][key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

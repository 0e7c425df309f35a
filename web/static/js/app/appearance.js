// @ts-check
import { Locale } from '../locale/locale.js';
import { Store } from '../model/store.js';

/**
 * @typedef {import('./preferences.js').Preferences} Preferences
 * @typedef {import('./preferences.js').Theme} Theme
 */

/** The language and theme of the page. Followers draw everything anew. */
export class Appearance extends Store {
  #preferences;
  #locale;

  /** @param {Preferences} preferences */
  constructor(preferences) {
    super();
    this.#preferences = preferences;
    this.#locale = new Locale(preferences.language);
  }

  get locale() {
    return this.#locale;
  }

  /** @param {string} language */
  set language(language) {
    this.#preferences.language = language === 'zh' ? 'zh' : 'en';
    this.#locale = new Locale(this.#preferences.language);
    this.changed();
  }

  /** @returns {string} */
  get language() {
    return this.#preferences.language;
  }

  /** @param {string} theme */
  set theme(theme) {
    this.#preferences.theme = theme === 'light' || theme === 'dark' ? theme : 'auto';
    this.changed();
  }

  /** @returns {string} */
  get theme() {
    return this.#preferences.theme;
  }

  /** The system has changed from light to dark, or to forced colours, or back. */
  systemChanged() {
    this.changed();
  }
}

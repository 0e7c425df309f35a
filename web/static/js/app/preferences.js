// @ts-check
import { preferredLanguage } from '../locale/language.js';

/**
 * @typedef {import('../locale/language.js').Language} Language
 * @typedef {'light' | 'dark' | 'auto'} Theme
 */

/** What the reader has chosen, kept by the browser. If the browser stores nothing, a choice lasts until the page is left. */
export class Preferences {
  /** What the browser has not stored. @type {Map<string, string>} */
  #unkept = new Map();

  /** @type {Language} The browser's own choice of languages until the reader makes one. */
  get language() {
    const language = this.#get('language');
    return language === 'zh' || language === 'en' ? language : preferredLanguage(navigator.languages);
  }

  set language(language) {
    this.#set('language', language);
  }

  /** @type {Theme} */
  get theme() {
    const theme = this.#get('theme');
    return theme === 'light' || theme === 'dark' ? theme : 'auto';
  }

  set theme(theme) {
    this.#set('theme', theme);
  }

  /** The device type whose aggregates are shown; empty if never chosen. */
  get deviceType() {
    return this.#get('device-type');
  }

  set deviceType(type) {
    this.#set('device-type', type);
  }

  /** The time range of the aggregates, by name. */
  get range() {
    return this.#get('range') || 'live';
  }

  set range(range) {
    this.#set('range', range);
  }

  /** The columns of the list of devices, by their names; empty if never chosen. */
  get deviceColumns() {
    return this.#get('device-columns');
  }

  set deviceColumns(columns) {
    this.#set('device-columns', columns);
  }

  /** Whether new alerts have a sound. */
  get alertSound() {
    return this.#get('alert-sound') === 'on';
  }

  set alertSound(on) {
    this.#set('alert-sound', on ? 'on' : '');
  }

  /** Whether the desktop shows new alerts. */
  get alertNotify() {
    return this.#get('alert-notify') === 'on';
  }

  set alertNotify(on) {
    this.#set('alert-notify', on ? 'on' : '');
  }

  /** @param {string} key */
  #get(key) {
    // A storage that is full still has the choice of before.
    const unkept = this.#unkept.get(key);
    if (unkept !== undefined) return unkept;
    try {
      return localStorage.getItem(`iotmon.${key}`) ?? '';
    } catch {
      return '';
    }
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  #set(key, value) {
    try {
      localStorage.setItem(`iotmon.${key}`, value);
      this.#unkept.delete(key);
    } catch {
      // Storage is full or forbidden; the page works without.
      this.#unkept.set(key, value);
    }
  }
}

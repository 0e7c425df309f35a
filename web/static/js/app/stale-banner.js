// @ts-check
import { isStale } from '../model/freshness.js';
import { icon, setText, textElement } from '../components/dom.js';

/**
 * @typedef {object} StalePlace Where it is said.
 * @property {HTMLElement} element
 * @property {HTMLElement} announcer Reads aloud that it is so, once: the banner counts the seconds.
 */

/** Says above everything else that what is shown is old, and dims it. */
export class StaleBanner {
  #places;

  /**
   * @param {StalePlace[]} places In the page, and in the dialog: an open dialog hides the rest of the page from eyes and ears.
   * @param {import('./surroundings.js').Surroundings} surroundings
   */
  constructor(places, surroundings) {
    this.surroundings = surroundings;
    this.#places = places.map(({ element, announcer }) => {
      const text = textElement('span', '');
      element.append(icon('warning'), text);
      return { element, announcer, text };
    });
  }

  /** @param {{silence: number | null, empty: boolean, connected: boolean}} facts */
  update(facts) {
    const stale = isStale(facts);
    document.documentElement.toggleAttribute('data-stale', stale);
    const { locale } = this.surroundings;
    const age = locale.duration(Number(facts.silence));
    const words = stale ? locale.t(facts.connected ? 'staleSilent' : 'staleDisconnected', { age }) : '';
    for (const { element, announcer, text } of this.#places) {
      element.hidden = !stale;
      setText(announcer, stale ? locale.t('stale') : '');
      setText(text, words);
    }
    return stale;
  }
}

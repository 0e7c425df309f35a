// @ts-check
import { isStale } from '../model/freshness.js';
import { icon, setText, textElement } from './dom.js';

/** Says above everything else that what is shown is old, and dims it. */
export class StaleBanner {
  #text = textElement('span', '');
  #announcer;

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} announcer Reads aloud that it is so, once: the banner counts the seconds.
   * @param {import('./surroundings.js').Surroundings} surroundings
   */
  constructor(element, announcer, surroundings) {
    this.#announcer = announcer;
    this.element = element;
    this.surroundings = surroundings;
    element.append(icon('warning'), this.#text);
  }

  /** @param {{silence: number | null, empty: boolean, connected: boolean}} facts */
  update(facts) {
    const stale = isStale(facts);
    document.documentElement.toggleAttribute('data-stale', stale);
    this.element.hidden = !stale;
    const { locale } = this.surroundings;
    setText(this.#announcer, stale ? locale.t('stale') : '');
    if (!stale) return;
    const age = locale.duration(Number(facts.silence));
    setText(this.#text, locale.t(facts.connected ? 'staleSilent' : 'staleDisconnected', { age }));
  }
}

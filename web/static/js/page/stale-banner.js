// @ts-check
import { isStale } from '../model/freshness.js';
import { icon, setText, textElement } from './dom.js';

/** Says above everything else that what is shown is old, and dims it. */
export class StaleBanner {
  #text = textElement('span', '');

  /**
   * @param {HTMLElement} element
   * @param {import('./surroundings.js').Surroundings} surroundings
   */
  constructor(element, surroundings) {
    this.element = element;
    this.surroundings = surroundings;
    element.append(icon('warning'), this.#text);
  }

  /** @param {{heard: number | null, now: number, empty: boolean, connected: boolean}} facts */
  update(facts) {
    const stale = isStale(facts);
    document.documentElement.toggleAttribute('data-stale', stale);
    this.element.hidden = !stale;
    if (!stale) return;
    const { locale } = this.surroundings;
    const age = locale.duration(facts.now - Number(facts.heard));
    setText(this.#text, locale.t(facts.connected ? 'staleSilent' : 'staleDisconnected', { age }));
  }
}

// @ts-check
import { find, setText } from '../components/dom.js';
import { texts } from './texts.js';

/** Says for a while after an interruption how old the page had become. */
export class CaughtUpNotice {
  /**
   * @param {HTMLElement} element
   * @param {import('./session.js').Session} session
   * @param {AbortSignal} signal
   */
  constructor(element, session, signal) {
    this.element = element;
    this.session = session;
    session.freshness.subscribe(() => this.update(), { signal });
  }

  /** Also in another language. */
  update() {
    const { locale, freshness } = this.session;
    this.element.hidden = freshness.caughtUp === null;
    if (freshness.caughtUp === null) return;
    setText(find(this.element, 'span', HTMLElement), locale.t(texts.caughtUp, { age: locale.duration(freshness.caughtUp) }));
  }
}

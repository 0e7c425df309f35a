// @ts-check
import { find, setText } from '../components/dom.js';
import { texts } from './texts.js';

/** Says that the server's version is no longer the one that this page came from, and offers to load the new page. */
export class UpdateNotice {
  /**
   * @param {HTMLElement} element
   * @param {import('./session.js').Session} session
   * @param {string} version The one that this page came from.
   * @param {AbortSignal} signal
   */
  constructor(element, session, version, signal) {
    this.element = element;
    this.session = session;
    this.version = version;
    find(element, 'button', HTMLButtonElement).addEventListener('click', () => location.reload(), { signal });
    session.plant.subscribe(() => this.update(), { signal });
  }

  /** Also in another language. */
  update() {
    const { locale, plant: { known, serverVersion: version } } = this.session;
    this.element.hidden = !known || version === this.version;
    setText(find(this.element, 'span', HTMLElement), locale.t(texts.outdated, { version }));
  }
}

// @ts-check
import { find, setText } from '../components/dom.js';
import { texts } from './texts.js';

/** Says that the server does not let this page connect, and what its operator can do. */
export class RefusedNotice {
  /**
   * @param {HTMLElement} element
   * @param {import('./session.js').Session} session
   * @param {AbortSignal} signal
   */
  constructor(element, session, signal) {
    this.element = element;
    this.session = session;
    session.connection.subscribe(() => this.update(), { signal });
  }

  /** Also in another language. */
  update() {
    const { locale, connection: { refused: reason } } = this.session;
    this.element.hidden = !reason;
    setText(find(this.element, 'span', HTMLElement), reason ? locale.t(texts.originRefused, { reason }) : '');
  }
}

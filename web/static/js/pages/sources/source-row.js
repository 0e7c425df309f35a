// @ts-check
import { find, instantiate, setIcon, setLongText, setText } from '../../components/dom.js';
import { visible } from '../../locale/visible.js';
import { sourcePath, troubled } from '../../model/sources.js';
import { texts } from './texts.js';
import { agoWords, rateWords, stateWords, problemWords } from './words.js';

/**
 * @typedef {import('../../model/sources.js').Source} Source
 * @typedef {import('../../model/sources.js').Rates} Rates
 * @typedef {import('../../app/session.js').Session} Session
 */

/** One source in the list. Rows are used again for other ones. */
export class SourceRow {
  element;
  #cells;

  /** @param {ParentNode} root Where the row's template is. */
  constructor(root) {
    this.element = instantiate(root, 'source-row', HTMLTableRowElement);
    const at = (/** @type {string} */ selector) => find(this.element, selector, HTMLElement);
    this.#cells = {
      icon: find(this.element, '.col-state svg', SVGElement),
      state: at('.col-state span'),
      link: find(this.element, 'a', HTMLAnchorElement),
      kind: at('.col-kind'),
      messages: at('[data-rate="messages"]'),
      readings: at('[data-rate="readings"]'),
      rejects: at('.col-rejects'),
      last: at('.col-last'),
      address: at('.col-address'),
    };
  }

  /**
   * @param {Source} source
   * @param {Rates | undefined} rates
   * @param {Session} session
   */
  show(source, rates, session) {
    const cells = this.#cells;
    const { locale, clock } = session;
    const [words, icon, color] = stateWords(source, locale);
    setIcon(cells.icon, icon, color);
    setLongText(cells.state, words);
    setLongText(cells.link, source.name);
    cells.link.href = session.href(sourcePath(source.name));
    setText(cells.kind, source.kind);
    setText(cells.messages, rateWords(rates?.messages, locale));
    setText(cells.readings, rateWords(rates?.readings, locale));
    setText(cells.rejects, source.rejected > 0 ? locale.number(source.rejected) : '');
    setText(cells.last, agoWords(source.last_value, clock.now(), locale));
    const problem = source.state === 'unknown' ? locale.t(texts.unknownSince, { time: locale.timeOrDate(Date.parse(source.since), clock.now()) }) : problemWords(source, locale);
    setLongText(cells.address, problem || visible(source.address ?? ''));
    cells.address.classList.toggle('problem', problem !== '');
    this.element.classList.toggle('trouble', troubled(source));
  }
}

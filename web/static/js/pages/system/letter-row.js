// @ts-check
import { find, instantiate, setLongText, setText } from '../../components/dom.js';
import { reasonWords } from '../../locale/reasons.js';
import { visible } from '../../locale/visible.js';
import { terms } from '../../locale/terms.js';
import { isSendable } from '../../model/dead-letters.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/dead-letters.js').DeadLetter} DeadLetter
 * @typedef {import('../../model/dead-letters.js').Resent} Resent
 * @typedef {import('../../app/session.js').Session} Session
 */

/** One dead letter in the list. Rows are used again for other ones. */
export class LetterRow {
  element;
  #cells;
  /** The id of what is shown; empty for nothing. */
  #id = '';

  /**
   * @param {ParentNode} root Where the row's template is.
   * @param {(id: string, chosen: boolean) => void} onChoose
   */
  constructor(root, onChoose) {
    this.element = instantiate(root, 'letter-row', HTMLTableRowElement);
    const cell = (/** @type {string} */ name) => find(this.element, `.col-${name}`, HTMLElement);
    this.#cells = {
      choose: find(this.element, 'input', HTMLInputElement),
      link: find(this.element, 'a', HTMLAnchorElement),
      key: cell('key'),
      field: cell('field'),
      reason: cell('reason'),
      source: cell('source'),
      size: cell('size'),
    };
    this.#cells.choose.addEventListener('change', () => onChoose(this.#id, this.#cells.choose.checked));
  }

  /**
   * @param {DeadLetter} letter
   * @param {{chosen: boolean, open: boolean, resent: Resent | undefined}} state
   * @param {Session} session
   */
  show(letter, { chosen, open, resent }, { locale, clock }) {
    const cells = this.#cells;
    this.#id = letter.id;
    cells.choose.checked = chosen;
    cells.choose.disabled = !isSendable(letter);
    cells.choose.setAttribute('aria-label', locale.t(terms.chooseOne, { id: letter.id }));
    setText(cells.link, locale.timeOrDate(Date.parse(letter.rejected_at), clock.now()));
    cells.link.href = open ? '?letter=' : `?letter=${letter.id}`;
    cells.link.ariaExpanded = String(open);
    setLongText(cells.key, letter.received_by ? '' : visible(letter.key));
    setLongText(cells.field, visible(letter.field) || locale.t(texts.wholeRecord));
    setLongText(cells.reason, resent ? outcome(resent, locale) : reasonWords(letter, locale));
    cells.reason.dataset['result'] = resent?.result ?? '';
    setLongText(cells.source, placeOf(letter));
    setText(cells.size, locale.t(texts.letterBytes, { count: letter.size }));
    this.element.classList.toggle('open', open);
  }
}

/**
 * Where it was: in the log, or in a source.
 *
 * @param {DeadLetter} letter
 */
function placeOf({ received_by: receiver, source }) {
  if (receiver) return visible(`${receiver.name}: ${receiver.topic}`);
  return source ? `${source.partition}:${source.offset}` : '';
}

/**
 * Says what became of a dead letter that was sent again.
 *
 * @param {Resent} resent
 * @param {import('../../locale/locale.js').Locale} locale
 */
export function outcome({ result, field, reason = '' }, locale) {
  if (result === 'sent') return locale.t(texts.resentSent);
  if (result === 'gone') return locale.t(texts.resentGone);
  return locale.t(texts.resentRejected, { reason: visible(field ? `${field}: ${reason}` : reason) });
}

// @ts-check
import { find, instantiate, setLongText } from '../../../components/dom.js';
import { reasonWords } from '../../../locale/reasons.js';
import { visible } from '../../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/sources.js').Topic} Topic
 * @typedef {import('../../../model/sources.js').SourceValue} SourceValue
 * @typedef {import('../../../app/session.js').Session} Session
 *
 * @typedef {{key: string, topic: Topic, value: SourceValue | null}} Received A value of a topic; null for a message without values.
 */

/** One value that a source receives, and what it becomes. Rows are used again for other ones. */
export class ValueRow {
  element;
  #cells;

  /** @param {ParentNode} root Where the row's template is. */
  constructor(root) {
    this.element = instantiate(root, 'value-row', HTMLTableRowElement);
    const at = (/** @type {string} */ name) => find(this.element, `.col-${name}`, HTMLElement);
    this.#cells = { link: find(this.element, 'a', HTMLAnchorElement), name: at('value-name'), received: at('received'), becomes: at('becomes') };
  }

  /**
   * @param {Received} received
   * @param {boolean} chosen
   * @param {Session} session
   */
  show({ topic, value }, chosen, session) {
    const cells = this.#cells;
    const [words, outcome] = outcomeWords(topic, value, session);
    setLongText(cells.link, visible(topic.topic) || '–');
    cells.link.ariaCurrent = chosen ? 'true' : null;
    setLongText(cells.name, value ? visible([value.measurement, value.field].filter(Boolean).join(' ')) : '');
    setLongText(cells.received, value ? receivedWords(value, session) : session.locale.t(texts.noValues));
    setLongText(cells.becomes, words);
    cells.becomes.dataset['outcome'] = outcome;
    this.element.classList.toggle('open', chosen);
  }
}

/**
 * @param {SourceValue} value
 * @param {Session} session
 */
function receivedWords({ number, text = '', unit }, { locale }) {
  return [number === undefined ? visible(text) : locale.precise(number), visible(unit ?? '')].filter(Boolean).join(' ');
}

/**
 * Says what a value becomes, and how that is: read, wrong or none.
 *
 * @param {Topic} topic
 * @param {SourceValue | null} value
 * @param {Session} session
 * @returns {[string, string]}
 */
export function outcomeWords(topic, value, { locale, plant }) {
  if (!value) return [reasonWords({ reason: topic.problem, ...topic.problem_reason }, locale), topic.problem ? 'wrong' : 'none'];
  const { becomes } = value;
  if (becomes && (topic.report || becomes.status)) return [locale.t(texts.becomesStatus, { device: visible(becomes.below ? `${becomes.below}…` : becomes.device_id) }), 'read'];
  if (becomes) return [locale.t(texts.becomesReading, { device: visible(becomes.device_id), value: locale.reading(becomes.value, plant.specs.get(becomes.device_type) ?? madeSpec(becomes)) }), 'read'];
  if (value.note) return [locale.t(texts.noteValue), 'none'];
  if (!value.wrong_field && value.reason === 'no rule matches') return [locale.t(texts.noRule), 'none'];
  return [[visible(value.wrong_field ?? ''), reasonWords(value, locale)].filter(Boolean).join(': '), value.wrong_field ? 'wrong' : 'none'];
}

/**
 * The type of a reading that a rule makes and that is not there yet, as far as the reading says it.
 *
 * @param {import('../../../model/sources.js').SourceReading} reading
 */
function madeSpec({ device_type: name, unit, value }) {
  const decimals = Math.min(String(value).split('.')[1]?.length ?? 0, 3);
  return { name, unit, decimals, min: -Infinity, max: Infinity, labels: {} };
}

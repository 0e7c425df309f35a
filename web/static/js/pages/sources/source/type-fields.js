// @ts-check
import { offerChoices } from '../../../components/choices.js';
import { find } from '../../../components/dom.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/source-rules.js').Rule} Rule
 * @typedef {import('../../../model/source-rules.js').Definition} Definition
 */

/** The choice that makes a type. No type has such a name. */
const another = '+';

/** Chooses the device type of a rule, or makes one that there is not yet. */
export class TypeFields {
  #session;
  #choice;
  #fields;
  /** Whether a type is being made. */
  #defining = false;

  /**
   * @param {HTMLFormElement} form The rule's.
   * @param {Session} session
   */
  constructor(form, session) {
    this.#session = session;
    this.#choice = find(form, '[name="type"]', HTMLSelectElement);
    this.#fields = find(form, '.type-fields', HTMLFieldSetElement);
  }

  /** Shows the type of a rule that is edited from now on. @param {Rule} rule */
  fill(rule) {
    this.#defining = rule.define !== undefined && !this.#session.plant.specs.has(rule.type ?? '');
    if (this.#defining) this.#write(rule.type ?? '', rule.define ?? {});
    this.offer(rule);
  }

  /** Offers the types that there are. @param {Rule} rule */
  offer({ type = '' }) {
    const { locale, plant: { specs } } = this.#session;
    /** @type {[string, string][]} */
    const known = [...specs.keys()].map((name) => [name, this.#session.typeName(name)]);
    offerChoices(this.#choice, [...known, [another, locale.t(texts.typeAnother)]], this.#defining ? another : type);
    this.#fields.hidden = !this.#defining;
  }

  /**
   * Returns a rule with the type that was chosen or typed.
   *
   * @param {Rule} rule
   * @returns {Rule}
   */
  read(rule) {
    const began = this.#choice.value === another && !this.#defining;
    this.#defining = this.#choice.value === another;
    const { define, ...rest } = rule;
    if (!this.#defining) return { ...rest, type: this.#choice.value, ...(define && rule.type === this.#choice.value && { define }) };
    if (began) {
      this.#write('', { ...(rule.unit && { unit: rule.unit }) });
      this.#fields.hidden = false;
      this.#control('type-name').focus();
    }
    return { ...rest, type: this.#text('type-name'), define: this.#definition };
  }

  /**
   * @param {string} name
   * @param {Definition} define
   */
  #write(name, { unit = '', min, max, decimals, labels = {} }) {
    const shown = (/** @type {number | undefined} */ number) => (number === undefined ? '' : String(number));
    const values = { 'type-name': name, 'type-unit': unit, 'type-min': shown(min), 'type-max': shown(max), 'type-decimals': shown(decimals), 'type-label-en': labels['en'] ?? '', 'type-label-zh': labels['zh'] ?? '' };
    for (const [key, value] of Object.entries(values)) this.#control(key).value = value;
  }

  /** What was typed; what is empty is left out. @returns {Definition} */
  get #definition() {
    const numbers = Object.fromEntries(['min', 'max', 'decimals'].flatMap((key) => {
      const text = this.#text(`type-${key}`);
      return text === '' || !Number.isFinite(Number(text)) ? [] : [[key, Number(text)]];
    }));
    const labels = Object.fromEntries(['en', 'zh'].flatMap((language) => (this.#text(`type-label-${language}`) ? [[language, this.#text(`type-label-${language}`)]] : [])));
    const unit = this.#text('type-unit');
    return { ...(unit && { unit }), ...numbers, ...(Object.keys(labels).length > 0 && { labels }) };
  }

  /** @param {string} name */
  #text(name) {
    return this.#control(name).value.trim();
  }

  /** @param {string} name */
  #control(name) {
    return find(this.#fields, `[name="${name}"]`, HTMLInputElement);
  }
}

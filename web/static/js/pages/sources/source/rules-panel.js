// @ts-check
import { html, render } from '../../../../vendor/lit-html/lit-html.js';
import { offerChoices } from '../../../components/choices.js';
import { CopyButton } from '../../../components/copy-button.js';
import { find, setText } from '../../../components/dom.js';
import { visible } from '../../../locale/visible.js';
import { configuration, offeredUnits, typedTags, writtenTags } from '../../../model/source-rules.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/source-rules.js').Rule} Rule
 */

/** How long after the last key the rules are tried, in milliseconds. */
const typingPause = 350;

/** The texts of a rule that can be typed. */
const typed = /** @type {const} */ (['topic', 'field', 'device', 'unit', 'measurement', 'building', 'room']);

/** The rules that are tried, the one that is edited, and the configuration that would put them in force. */
export class RulesPanel {
  #root;
  #session;
  #name;
  #onChange;
  #form;
  #copy;
  /** Those in force. @type {Rule[]} */
  #inForce = [];
  /** Those that are tried. @type {Rule[]} */
  #rules = [];
  /** The index of the one that is edited; -1 for none. */
  #selected = -1;
  #edited = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {{name: string, onChange: () => void}} options What to call when other rules are to be tried.
   * @param {AbortSignal} signal
   */
  constructor(root, session, { name, onChange }, signal) {
    this.#root = root;
    this.#session = session;
    this.#name = name;
    this.#onChange = onChange;
    this.#form = find(root, '#rule-form', HTMLFormElement);
    this.#copy = new CopyButton(find(root, '#yaml-copy', HTMLButtonElement), this.#at('#yaml-copied'), session, () => this.#at('#yaml').textContent ?? '', signal);
    this.#form.addEventListener('input', () => this.#type(), { signal });
    this.#form.addEventListener('submit', (event) => event.preventDefault(), { signal });
    find(root, '#rules-discard', HTMLButtonElement).addEventListener('click', () => this.#discard(), { signal });
    session.unsaved.watch(() => (this.#edited ? 'typed' : ''), signal);
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  /** Whether other rules than those in force are tried. */
  get edited() {
    return this.#edited;
  }

  get rules() {
    return this.#rules;
  }

  /** Why the rules that are tried cannot be; empty if they can. @param {string} reason */
  set problem(reason) {
    const element = this.#at('#rules-problem');
    element.hidden = !reason;
    setText(element, reason ? this.#session.locale.t(texts.rulesWrong, { reason: visible(reason) }) : '');
  }

  /**
   * The server has answered with these rules.
   *
   * @param {Rule[]} rules
   */
  take(rules) {
    if (this.#edited || JSON.stringify(rules) === JSON.stringify(this.#inForce)) return;
    this.#inForce = rules;
    this.#rules = rules;
    this.show();
  }

  /**
   * Tries one more rule, before the others, and has it edited.
   *
   * @param {Rule} rule
   */
  propose(rule) {
    const same = this.#rules.findIndex((one) => JSON.stringify(one) === JSON.stringify(rule));
    if (same >= 0) {
      this.#select(same);
      return;
    }
    this.#rules = [rule, ...this.#rules];
    this.#selected = 0;
    this.#changed();
  }

  #discard() {
    this.#edited = false;
    this.#rules = this.#inForce;
    this.#selected = -1;
    this.show();
    this.#onChange();
    this.#at('#values').focus(); // The button is gone.
  }

  /** @param {number} index */
  #select(index) {
    this.#selected = index;
    this.show();
  }

  /** Other rules are to be tried. */
  #changed() {
    this.#edited = true;
    this.show();
    this.#onChange();
  }

  /** Takes what was typed, and tries it after the last key. */
  #type() {
    const before = this.#rules[this.#selected];
    if (!before) return;
    /** @type {Rule} */
    const rule = { ...before, type: this.#control('type').value, tags: typedTags(this.#control('tags').value) };
    for (const key of typed) rule[key] = this.#control(key).value;
    for (const [key, value] of Object.entries(rule)) if (value === '' || (key === 'tags' && Object.keys(value).length === 0)) delete rule[/** @type {keyof Rule} */ (key)];
    this.#rules = this.#rules.with(this.#selected, rule);
    this.#edited = true;
    this.#showAll();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onChange(), typingPause);
  }

  /** Shows everything, in the present language. */
  show() {
    this.#copy.show();
    this.#fill();
    this.#showAll();
  }

  /** Everything but what is typed into. */
  #showAll() {
    const { locale } = this.#session;
    const rule = this.#rules[this.#selected];
    const list = this.#rules.map((one, i) => this.#item(one, i));
    render(this.#rules.length === 0 ? html`<p class="empty">${locale.t(texts.rulesNone)}</p>` : html`<ol class="rules">${list}</ol>`, this.#at('#rules-body'));
    this.#form.hidden = !rule;
    find(this.#root, '#rules-discard', HTMLButtonElement).hidden = !this.#edited;
    setText(this.#at('#rules-tried'), this.#edited ? locale.t(texts.rulesTried) : '');
    setText(this.#at('#yaml'), configuration(this.#name, this.#rules, locale.t(texts.yamlRest)));
    this.#offer(rule);
  }

  /**
   * @param {Rule} rule
   * @param {number} index
   */
  #item(rule, index) {
    const { locale } = this.#session;
    const number = index + 1;
    const what = [rule.topic, rule.measurement, rule.field].filter(Boolean).join(' ');
    return html`<li class=${index === this.#selected ? 'open' : ''}>
      <button type="button" class="link" aria-pressed=${index === this.#selected} @click=${() => this.#select(index === this.#selected ? -1 : index)}>${locale.t(texts.ruleWords, { what: visible(what), device: visible(rule.device ?? '') })}</button>
      <button type="button" class="button button-icon" aria-label=${locale.t(texts.ruleUp, { number })} title=${locale.t(texts.ruleUp, { number })} ?disabled=${index === 0} @click=${() => this.#up(index)}><svg class="icon" aria-hidden="true"><use href="#icon-up"></use></svg></button>
      <button type="button" class="button button-icon" aria-label=${locale.t(texts.ruleRemove, { number })} title=${locale.t(texts.ruleRemove, { number })} @click=${() => this.#remove(index)}><svg class="icon" aria-hidden="true"><use href="#icon-close"></use></svg></button>
    </li>`;
  }

  /** @param {number} index */
  #up(index) {
    const [rule, above] = [this.#rules[index], this.#rules[index - 1]];
    if (!rule || !above) return;
    this.#rules = this.#rules.with(index, above).with(index - 1, rule);
    if (this.#selected === index) this.#selected--;
    else if (this.#selected === index - 1) this.#selected++;
    this.#changed();
  }

  /** @param {number} index */
  #remove(index) {
    this.#rules = this.#rules.filter((_, i) => i !== index);
    if (this.#selected === index) this.#selected = -1;
    else if (this.#selected > index) this.#selected--;
    this.#changed();
    if (!document.activeElement?.isConnected || document.activeElement === document.body) this.#at('#values').focus();
  }

  /** Puts the rule that is edited into the form. */
  #fill() {
    const rule = this.#rules[this.#selected];
    if (!rule) return;
    this.#offer(rule);
    for (const key of typed) this.#control(key).value = rule[key] ?? '';
    this.#control('tags').value = writtenTags(rule.tags);
    setText(this.#at('#rule-form-title'), this.#session.locale.t(texts.ruleForm, { number: this.#selected + 1 }));
  }

  /** @param {Rule | undefined} rule */
  #offer(rule) {
    if (!rule) return;
    const { plant: { specs } } = this.#session;
    const type = rule.type ?? '';
    offerChoices(find(this.#form, '[name="type"]', HTMLSelectElement), [...specs.keys()].map((name) => [name, this.#session.typeName(name)]), type);
    const units = offeredUnits(type, specs.get(type)?.unit ?? '').map((unit) => Object.assign(document.createElement('option'), { value: unit }));
    find(this.#form, 'datalist', HTMLDataListElement).replaceChildren(...units);
  }

  /** @param {string} name */
  #control(name) {
    const control = this.#form.elements.namedItem(name);
    if (!(control instanceof HTMLInputElement || control instanceof HTMLSelectElement)) throw new Error(`the page has no ${name}`);
    return control;
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}

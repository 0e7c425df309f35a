// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { CopyButton } from '../../../components/copy-button.js';
import { find, setText } from '../../../components/dom.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { changesOf, sameRule, sameValue } from '../../../model/source-map.js';
import { configuration, offeredUnits, typedTags, writtenTags } from '../../../model/source-rules.js';
import { texts } from './texts.js';
import { TypeFields } from './type-fields.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/source-rules.js').Rule} Rule
 */

/** How long after the last key the rules are tried, in milliseconds. */
const typingPause = 350;

/** The texts of a rule that can be typed. */
const typed = /** @type {const} */ (['topic', 'field', 'device', 'unit', 'measurement', 'building', 'room', 'interval']);

/** The rules that are tried, what differs in them from those that are decided, the one that is edited, and the configuration that would say the same. */
export class RulesPanel {
  #root;
  #session;
  #name;
  #kind = '';
  #draft;
  #onChange;
  #form;
  #type;
  #copy;
  /** The rules as they are shown. @type {Rule[]} */
  #shown = [];
  /** The index of the one that is edited; -1 for none. */
  #selected = -1;
  /** @type {{rule: number, reason: string} | null} */
  #refusal = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {{name: string, draft: import('../../../model/map-draft.js').MapDraft, onChange: () => void}} options What to call when other rules are to be tried.
   * @param {AbortSignal} signal
   */
  constructor(root, session, { name, draft, onChange }, signal) {
    this.#root = root;
    this.#session = session;
    this.#name = name;
    this.#draft = draft;
    this.#onChange = onChange;
    this.#form = find(root, '#rule-form', HTMLFormElement);
    this.#copy = new CopyButton(find(root, '#yaml-copy', HTMLButtonElement), this.#at('#yaml-copied'), session, () => this.#at('#yaml').textContent ?? '', signal);
    this.#type = new TypeFields(this.#form, session);
    this.#form.addEventListener('input', () => this.#typed(), { signal });
    this.#form.addEventListener('submit', (event) => event.preventDefault(), { signal });
    draft.subscribe(() => this.#follow(), { signal });
    // What is being typed stays as it is.
    session.plant.subscribe(() => (draft.dirty ? this.#offer(draft.rules[this.#selected]) : this.show()), { signal });
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  /** The source's protocol. @param {string} kind */
  set kind(kind) {
    if (kind === this.#kind) return;
    this.#kind = kind;
    this.#showAll();
  }

  /** Which rule the server refuses, and why; null if none. @param {{rule: number, reason: string} | null} refusal */
  set refusal(refusal) {
    if (refusal?.rule === this.#refusal?.rule && refusal?.reason === this.#refusal?.reason) return;
    this.#refusal = refusal;
    this.#showAll();
  }

  /**
   * Tries one more rule, before the others, and has it edited.
   *
   * @param {Rule} rule
   */
  propose(rule) {
    const rules = this.#draft.rules;
    const same = rules.findIndex((one) => sameRule(one, rule));
    if (same >= 0) this.#select(same);
    else this.#change([rule, ...rules], 0);
  }

  /** @param {number} index */
  #select(index) {
    this.#selected = index;
    this.show();
  }

  /**
   * Other rules are to be tried.
   *
   * @param {Rule[]} rules
   * @param {number} selected
   */
  #change(rules, selected) {
    this.#shown = rules;
    this.#selected = selected;
    this.#draft.edit(rules);
    this.show();
    this.#onChange();
  }

  /** The draft has changed. The rule that is edited stays so, wherever it is now. */
  #follow() {
    const { rules } = this.#draft;
    if (rules === this.#shown) {
      this.#showAll();
      return;
    }
    const edited = this.#shown[this.#selected];
    this.#shown = rules;
    if (edited) {
      const same = rules.findIndex((rule) => sameRule(rule, edited));
      const present = rules[this.#selected];
      // The server leaves out what is by default.
      if (same >= 0 || !present || !sameValue(present, edited)) this.#selected = same;
    }
    this.show();
  }

  /** Takes what was typed, and tries it after the last key. */
  #typed() {
    const before = this.#draft.rules[this.#selected];
    if (!before) return;
    /** @type {Rule} */
    const rule = { ...this.#type.read(before), tags: typedTags(this.#control('tags').value) };
    for (const key of typed) rule[key] = this.#control(key).value;
    for (const [key, value] of Object.entries(rule)) if (value === '' || (key === 'tags' && Object.keys(value).length === 0)) delete rule[/** @type {keyof Rule} */ (key)];
    this.#shown = this.#draft.rules.with(this.#selected, rule);
    this.#draft.edit(this.#shown);
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
    const { before, dirty, rules } = this.#draft;
    const { added, removed } = changesOf(before, rules);
    const refusal = this.#refusal;
    const list = rules.map((one, i) => this.#item(one, i, { added: added.has(i), problem: refusal?.rule === i ? refusal.reason : '' }));
    const gone = removed.map((one) => html`<li class="removed"><span>${ruleWords(one, locale)}</span><span class="rule-mark">${locale.t(texts.ruleRemoved)}</span></li>`);
    render(html`${rules.length === 0 ? html`<p class="empty">${locale.t(texts.rulesNone)}</p>` : html`<ol class="rules">${list}</ol>`}
      ${gone.length > 0 ? html`<ul class="rules">${gone}</ul>` : nothing}`, this.#at('#rules-body'));
    this.#form.hidden = !rules[this.#selected];
    setText(this.#at('#rules-tried'), dirty ? locale.t(texts.rulesTried) : '');
    setText(this.#at('#yaml'), configuration({ name: this.#name, kind: this.#kind }, rules, locale.t(texts.yamlRest)));
    const problem = refusal && !rules[refusal.rule] ? locale.t(texts.rulesWrong, { reason: refusalWords(refusal.reason, locale) }) : '';
    this.#at('#rules-problem').hidden = !problem;
    setText(this.#at('#rules-problem'), problem);
    this.#offer(rules[this.#selected]);
  }

  /**
   * @param {Rule} rule
   * @param {number} index
   * @param {{added: boolean, problem: string}} about
   */
  #item(rule, index, { added, problem }) {
    const { locale } = this.#session;
    const number = index + 1;
    return html`<li class=${index === this.#selected ? 'open' : ''}>
      <button type="button" class="link" aria-pressed=${index === this.#selected} @click=${() => this.#select(index === this.#selected ? -1 : index)}>${ruleWords(rule, locale)}</button>
      <span class="rule-mark">${added ? locale.t(texts.ruleAdded) : nothing}</span>
      <button type="button" class="button button-icon" aria-label=${locale.t(texts.ruleUp, { number })} title=${locale.t(texts.ruleUp, { number })} ?disabled=${index === 0} @click=${() => this.#up(index)}><svg class="icon" aria-hidden="true"><use href="#icon-up"></use></svg></button>
      <button type="button" class="button button-icon" aria-label=${locale.t(texts.ruleRemove, { number })} title=${locale.t(texts.ruleRemove, { number })} @click=${() => this.#remove(index)}><svg class="icon" aria-hidden="true"><use href="#icon-close"></use></svg></button>
      ${problem ? html`<p class="letter-problem rule-problem" role="alert">${locale.t(texts.ruleWrong, { number, reason: refusalWords(problem, locale) })}</p>` : nothing}
    </li>`;
  }

  /** @param {number} index */
  #up(index) {
    const { rules } = this.#draft;
    const [rule, above] = [rules[index], rules[index - 1]];
    if (!rule || !above) return;
    const selected = this.#selected === index ? index - 1 : this.#selected === index - 1 ? index : this.#selected;
    this.#change(rules.with(index, above).with(index - 1, rule), selected);
  }

  /** @param {number} index */
  #remove(index) {
    const selected = this.#selected === index ? -1 : this.#selected > index ? this.#selected - 1 : this.#selected;
    this.#change(this.#draft.rules.filter((_, i) => i !== index), selected);
    if (!document.activeElement?.isConnected || document.activeElement === document.body) this.#at('#values').focus();
  }

  /** Puts the rule that is edited into the form. */
  #fill() {
    const rule = this.#draft.rules[this.#selected];
    if (!rule) return;
    this.#type.fill(rule);
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
    this.#type.offer(rule);
    const units = offeredUnits(type, specs.get(type)?.unit ?? rule.define?.unit ?? '').map((unit) => Object.assign(document.createElement('option'), { value: unit }));
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

/**
 * Says what a rule is for, and what becomes of that.
 *
 * @param {Rule} rule
 * @param {import('../../../locale/locale.js').Locale} locale
 */
export function ruleWords(rule, locale) {
  const what = [rule.topic, rule.measurement, rule.field].filter(Boolean).join(' ');
  return locale.t(texts.ruleWords, { what: visible(what), device: visible(rule.device ?? '') });
}

/** What the keys of a rule are called. @type {Record<string, import('../../../locale/locale.js').Text>} */
const keys = {
  topic: texts.ruleTopic, field: texts.ruleField, device: texts.ruleDevice, type: texts.ruleType, define: texts.typeTitle, unit: texts.ruleUnit, measurement: texts.ruleMeasurement,
  tags: texts.ruleTags, building: texts.ruleBuilding, room: texts.ruleRoom, interval: texts.ruleInterval, status: terms.status, time: terms.time, quality: texts.ruleQuality, scale: texts.ruleScale,
};

/**
 * Returns why the server refuses a rule: which key of it is wrong, and how, in the reader's language, and the server's words.
 *
 * @param {string} reason Such as "type: unknown (got …)".
 * @param {import('../../../locale/locale.js').Locale} locale
 */
function refusalWords(reason, locale) {
  const words = visible(reason);
  const [, key = '', how = ''] = /^(\w+)[.:]\s?(?:\w+: )*(missing|unknown)?/.exec(reason) ?? [];
  const name = keys[key];
  if (!name) return words;
  const text = how === 'missing' ? texts.keyMissing : how === 'unknown' ? texts.keyUnknown : texts.keyWrong;
  return locale.t(text, { key: locale.t(name), reason: words });
}

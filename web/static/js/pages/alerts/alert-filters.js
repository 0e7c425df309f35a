// @ts-check
import { offerChoices } from '../../components/choices.js';
import { find, textElement } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { areaOf } from '../../model/alert-life.js';
import { severities } from '../../model/protocol.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/protocol.js').Alert} Alert
 */

/** How long after the last key what was typed narrows the list, in milliseconds. */
const typingPause = 250;

/** How many areas and rules are offered. */
const offered = 200;

/** What narrows the list, by the names in the address. The first two have no control in the form. */
const names = /** @type {const} */ (['state', 'view', 'search', 'severity', 'type', 'area', 'rule', 'from', 'group']);

/** What narrows the list, and how it is shown: it is in the address. */
export class AlertFilters {
  #form;
  #root;
  #session;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    this.#form = find(root, '#alert-filters', HTMLFormElement);
    this.#form.addEventListener('input', ({ target }) => {
      clearTimeout(this.#timer);
      if (target instanceof HTMLSelectElement) this.#apply();
      else this.#timer = setTimeout(() => this.#apply(), typingPause);
    }, { signal });
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#apply();
    }, { signal });
    this.#form.addEventListener('reset', (event) => {
      event.preventDefault();
      session.address.replace({ state: '', search: '', severity: '', type: '', area: '', rule: '', from: '' });
      this.#control('search').focus(); // The button is gone.
    }, { signal });
  }

  #apply() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const values = names.slice(2).map((name) => [name, this.#control(name).value.trim()]);
    this.#session.address.replace(Object.fromEntries(values));
  }

  /** @param {string} name */
  #control(name) {
    return /** @type {HTMLSelectElement | HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  /** Shows what the address says. */
  update() {
    const { address } = this.#session;
    const history = address.get('view') === 'history';
    let narrowed = address.get('state') !== '' && !history;
    for (const name of names.slice(2)) {
      const control = this.#control(name);
      const value = address.get(name);
      // What is being typed stays, also a space that does not count.
      if (this.#timer === undefined && control.value.trim() !== value) control.value = value;
      control.classList.toggle('active', value !== '');
      narrowed ||= value !== '' && name !== 'group' && (name !== 'from' || history);
    }
    this.#control('from').hidden = !history;
    this.#control('group').hidden = history;
    find(this.#form, 'button', HTMLButtonElement).hidden = !narrowed;
  }

  /**
   * Offers the areas and rules of alerts.
   *
   * @param {Alert[]} alerts
   */
  offer(alerts) {
    const areas = new Set();
    const rules = new Set();
    for (const alert of alerts) {
      const parts = areaOf(alert).split('/');
      for (let i = 1; i <= parts.length && areas.size < offered; i++) areas.add(parts.slice(0, i).join('/'));
      if (rules.size < offered) rules.add(alert.alert_type);
    }
    this.#list('#alert-areas', [...areas].filter(Boolean));
    this.#list('#alert-rules', [...rules]);
  }

  /**
   * @param {string} selector
   * @param {string[]} values
   */
  #list(selector, values) {
    const list = find(this.#root, selector, HTMLDataListElement);
    const wanted = values.sort();
    if (JSON.stringify([...list.options].map(({ value }) => value)) === JSON.stringify(wanted)) return;
    list.replaceChildren(...wanted.map((value) => {
      const option = textElement('option', visible(value));
      option.value = value;
      return option;
    }));
  }

  /** Everything in another language, or with other types. */
  show() {
    const { address, locale, plant: { specs } } = this.#session;
    /** @type {[string, [string, string][]][]} */
    const choices = [
      ['severity', [['', locale.t(terms.anySeverity)], ...severities.map((one) => /** @type {[string, string]} */ ([one, locale.t(terms[one])]))]],
      ['type', [['', locale.t(terms.allTypes)], ...[...specs.keys()].map((type) => /** @type {[string, string]} */ ([type, this.#session.typeName(type)]))]],
      ['from', [['', locale.t(texts.anyTime)], ['-1d', locale.t(texts.lastDay)], ['-7d', locale.t(texts.lastWeek)], ['-30d', locale.t(texts.lastMonth)]]],
      ['group', [['', locale.t(texts.groupNone)], ['rule', locale.t(texts.groupRule)], ['area', locale.t(texts.groupArea)], ['both', locale.t(texts.groupBoth)]]],
    ];
    for (const [name, words] of choices) offerChoices(/** @type {HTMLSelectElement} */ (this.#control(name)), words, address.get(name));
    this.update();
  }
}

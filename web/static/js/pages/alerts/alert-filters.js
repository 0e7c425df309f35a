// @ts-check
import { offerChoices } from '../../components/choices.js';
import { find, textElement } from '../../components/dom.js';
import { FilterForm } from '../../components/filter-form.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { areaOf } from '../../model/alert-life.js';
import { severities } from '../../model/protocol.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/protocol.js').Alert} Alert
 */

/** How many areas and rules are offered. */
const offered = 200;

/** What narrows or groups the list, by the names of the controls and in the address. */
const names = ['search', 'severity', 'type', 'area', 'rule', 'from', 'group'];

/** What narrows the list, and how it is shown: it is in the address. */
export class AlertFilters {
  #form;
  #root;
  #session;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    const reset = { state: '', search: '', severity: '', type: '', area: '', rule: '', from: '' };
    this.#form = new FilterForm(find(root, '#alert-filters', HTMLFormElement), session.address, { names, reset }, signal);
  }

  /** Shows what the address says. */
  update() {
    const { address } = this.#session;
    const history = address.get('view') === 'history';
    this.#form.update();
    this.#form.control('from').hidden = !history;
    this.#form.control('group').hidden = history;
    const narrows = history ? ['search', 'severity', 'type', 'area', 'rule', 'from'] : ['state', 'search', 'severity', 'type', 'area', 'rule'];
    this.#form.offerReset(narrows.some((name) => address.get(name) !== ''));
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
    for (const [name, words] of choices) offerChoices(/** @type {HTMLSelectElement} */ (this.#form.control(name)), words, address.get(name));
    this.update();
  }
}

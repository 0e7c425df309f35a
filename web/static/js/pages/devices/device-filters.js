// @ts-check
import { offerChoices } from '../../components/choices.js';
import { find } from '../../components/dom.js';
import { FilterForm } from '../../components/filter-form.js';
import { terms } from '../../locale/terms.js';
import { areaPaths } from '../../model/areas.js';
import { noFilter } from './query.js';
import { texts } from './texts.js';

/** @typedef {import('../../app/session.js').Session} Session */

/** How many areas are offered. */
const offeredAreas = 1000;

/** How often the areas are asked for, in milliseconds. */
const period = 60_000;

/** What narrows the list: it is in the address. */
export class DeviceFilters {
  #form;
  #areas;
  #session;
  #request;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#session = session;
    const options = { names: Object.keys(noFilter), reset: { ...noFilter, row: '' }, also: { row: '' } };
    this.#form = new FilterForm(find(root, '#device-filters', HTMLFormElement), session.address, options, signal);
    this.#areas = find(root, '#device-areas', HTMLDataListElement);
    this.#request = session.ask((asking) => session.history.areas(asking), (areas) => this.#offerAreas(areaPaths(areas, offeredAreas)), signal);
    session.clock.subscribe(() => this.#request.renew(period), { signal });
  }

  start() {
    this.#request.load();
  }

  /** Shows what the address says. */
  update() {
    this.#form.update();
    this.#form.offerReset(Object.keys(noFilter).some((name) => this.#session.address.get(name) !== ''));
  }

  /** Everything in another language, or with other types. */
  show() {
    const { locale, plant: { specs } } = this.#session;
    this.#choices('type', locale.t(terms.allTypes), [...specs.keys()].map((type) => [type, this.#session.typeName(type)]));
    this.#choices('status', locale.t(terms.anyStatus), [
      ['online', locale.t(terms.online)], ['offline', locale.t(terms.offline)], ['never_sent', locale.t(texts.neverSent)],
      ['alerting', locale.t(texts.alerting)], ['retired', locale.t(texts.retired)],
    ]);
    this.update();
  }

  /**
   * @param {'type' | 'status'} name
   * @param {string} all The words for no choice.
   * @param {[string, string][]} choices Values and words.
   */
  #choices(name, all, choices) {
    offerChoices(/** @type {HTMLSelectElement} */ (this.#form.control(name)), [['', all], ...choices], this.#session.address.get(name));
  }

  /** @param {string[]} areas */
  #offerAreas(areas) {
    const offered = [...this.#areas.options].map(({ value }) => value);
    if (JSON.stringify(offered) === JSON.stringify(areas)) return;
    this.#areas.replaceChildren(...areas.map((area) => {
      const option = document.createElement('option');
      option.value = area;
      return option;
    }));
  }
}

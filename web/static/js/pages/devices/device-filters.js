// @ts-check
import { offerChoices } from '../../components/choices.js';
import { find } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { areaPaths } from '../../model/areas.js';
import { noFilter } from './query.js';
import { texts } from './texts.js';

/** @typedef {import('../../app/session.js').Session} Session */

/** How long after the last key what was typed narrows the list, in milliseconds. */
const typingPause = 250;

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
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#session = session;
    this.#form = find(root, '#device-filters', HTMLFormElement);
    this.#areas = find(root, '#device-areas', HTMLDataListElement);
    this.#request = session.ask((asking) => session.history.areas(asking), (areas) => this.#offerAreas(areaPaths(areas, offeredAreas)), signal);
    session.clock.subscribe(() => this.#request.renew(period), { signal });
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
      session.address.replace({ ...noFilter, row: '' });
      this.#control('search').focus(); // The button is gone.
    }, { signal });
  }

  start() {
    this.#request.load();
  }

  #apply() {
    clearTimeout(this.#timer);
    const form = new FormData(this.#form);
    const values = Object.keys(noFilter).map((name) => [name, String(form.get(name) ?? '').trim()]);
    this.#session.address.replace({ ...Object.fromEntries(values), row: '' });
  }

  /** Shows what the address says. */
  update() {
    let narrowed = false;
    for (const name of Object.keys(noFilter)) {
      const control = this.#control(name);
      const value = this.#session.address.get(name);
      // The reader may be typing a space that does not count.
      if (control.value.trim() !== value) control.value = value;
      control.classList.toggle('active', value !== '');
      narrowed ||= value !== '';
    }
    find(this.#form, 'button', HTMLButtonElement).hidden = !narrowed;
  }

  /** @param {string} name */
  #control(name) {
    return /** @type {HTMLSelectElement | HTMLInputElement} */ (this.#form.elements.namedItem(name));
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
    offerChoices(/** @type {HTMLSelectElement} */ (this.#control(name)), [['', all], ...choices], this.#session.address.get(name));
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

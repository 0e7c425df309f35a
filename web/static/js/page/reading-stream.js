// @ts-check
import { everyDevice } from '../model/devices.js';
import { ReadingLog } from '../model/reading-log.js';
import { find, setIcon, setText, textElement } from './dom.js';
import { ReadingRow } from './reading-row.js';

/**
 * @typedef {import('../model/protocol.js').Device} Device
 * @typedef {import('../model/devices.js').DeviceFilter} DeviceFilter
 * @typedef {import('../model/devices.js').DeviceStore} DeviceStore
 * @typedef {import('./surroundings.js').Surroundings} Surroundings
 */

/** Rows move at most this often: faster than this nobody reads, and the page would only be busy. In milliseconds. */
const pace = 250;

/**
 * The newest readings as they come, narrowed by what the reader chooses. The rows hold still while the reader points at
 * them, has the keyboard in them or has pressed pause.
 */
export class ReadingStream {
  #log = new ReadingLog();
  #devices;
  #surroundings;
  #frame;
  #body;
  #form;
  #pause;
  #note;
  #empty;
  /** @type {ReadingRow[]} */
  #rows = [];
  #pointed = false;
  /** Whether the keyboard has walked into the rows; focus that only came back from the drawer holds nothing. */
  #walked = false;
  #moved = 0;

  /**
   * @param {HTMLElement} panel
   * @param {Surroundings} surroundings
   * @param {DeviceStore} devices
   * @param {(filter: DeviceFilter) => void} onFilter
   */
  constructor(panel, surroundings, devices, onFilter) {
    this.#surroundings = surroundings;
    this.#devices = devices;
    this.#frame = find(panel, '#stream', HTMLElement);
    this.#body = find(panel, 'tbody', HTMLElement);
    this.#form = find(panel, '#stream-filters', HTMLFormElement);
    this.#pause = find(panel, '#stream-pause', HTMLButtonElement);
    this.#note = find(panel, '#stream-note', HTMLElement);
    this.#empty = find(panel, '.empty', HTMLElement);
    this.onFilter = onFilter;
    this.#listen();
  }

  #listen() {
    const body = this.#body;
    body.addEventListener('pointerenter', (event) => (this.#pointed = event.pointerType === 'mouse'));
    body.addEventListener('pointerleave', () => (this.#pointed = false));
    body.addEventListener('keyup', ({ key }) => (this.#walked ||= key === 'Tab'));
    body.addEventListener('focusout', () => (this.#walked = false));
    body.addEventListener('click', (event) => {
      // The whole row opens its device; the link in it does so by itself.
      const row = event.target instanceof Element && !event.target.closest('a') ? event.target.closest('tr') : null;
      row?.querySelector('a')?.click();
    });
    this.#form.addEventListener('input', () => this.filter(this.#chosen()));
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    this.#form.addEventListener('reset', (event) => {
      event.preventDefault();
      this.filter(everyDevice);
    });
    this.#pause.addEventListener('click', () => {
      this.#pause.setAttribute('aria-pressed', String(!this.#paused));
      this.#showPause();
      this.update();
    });
  }

  get #paused() {
    return this.#pause.getAttribute('aria-pressed') === 'true';
  }

  get #held() {
    return this.#paused || this.#pointed || this.#walked;
  }

  /** @returns {DeviceFilter} What the controls say. */
  #chosen() {
    const form = new FormData(this.#form);
    const [type, building, status, query] = ['type', 'building', 'status', 'query'].map((name) => String(form.get(name) ?? ''));
    return /** @type {DeviceFilter} */ ({ type, building, status, query: query?.trim() });
  }

  /**
   * Narrows the stream; what is not given stays. Giving again what it is narrowed by already widens it.
   *
   * @param {Partial<DeviceFilter>} change
   */
  toggle(change) {
    const filter = { ...this.#log.filter };
    for (const [name, value] of Object.entries(change)) {
      const key = /** @type {keyof DeviceFilter} */ (name);
      Object.assign(filter, { [key]: filter[key] === value ? '' : value });
    }
    this.filter(filter);
  }

  /** @param {DeviceFilter} filter */
  filter(filter) {
    this.#log.restart(filter, this.#devices.newest(filter, this.#log.capacity));
    this.#showFilter();
    this.#frame.scrollTop = 0;
    this.#draw();
    this.onFilter(filter);
  }

  /** @param {Device[]} devices Oldest first. */
  add(devices) {
    this.#log.add(devices);
  }

  /** @param {Set<string>} devices Those that are no more. */
  remove(devices) {
    this.#log.remove(devices);
    this.#draw();
  }

  /** Starts over from the devices as they are, after another connection's snapshot. */
  restart() {
    this.#log.restart(this.#log.filter, []);
    this.#draw();
  }

  /** Moves the rows on, unless they are held or have moved a moment ago. */
  update() {
    const now = performance.now();
    if (this.#held) {
      this.#showNote();
      return;
    }
    if (now - this.#moved < pace) return;
    this.#moved = now;
    const fresh = this.#log.release((id) => this.#devices.get(id));
    this.#rotate(fresh);
    this.#draw();
  }

  /** Everything in another language, or with other types and buildings to choose from. */
  show() {
    this.#offer();
    this.#showFilter();
    this.#showPause();
    for (const row of this.#rows) row.forget();
    this.#draw();
  }

  /**
   * Takes rows from the end to the top, so that those in between go on showing what they show.
   *
   * @param {number} count
   */
  #rotate(count) {
    if (this.#rows.length < this.#log.capacity) return;
    const moved = this.#rows.splice(-Math.min(count, this.#rows.length));
    this.#rows.unshift(...moved);
    this.#body.prepend(...moved.map(({ element }) => element));
  }

  #draw() {
    const { rows } = this.#log;
    while (this.#rows.length < rows.length) {
      const row = new ReadingRow();
      this.#rows.push(row);
      this.#body.append(row.element);
    }
    this.#rows.forEach((row, i) => {
      const device = rows[i];
      row.element.hidden = !device;
      if (device) row.show(device, this.#surroundings);
    });
    this.#showEmpty(rows.length === 0);
    this.#showNote();
  }

  /** @param {boolean} empty */
  #showEmpty(empty) {
    this.#empty.hidden = !empty;
    const greeted = this.#surroundings.specs.size > 0;
    const words = this.#devices.size > 0 ? 'streamNoMatch' : greeted ? 'streamEmpty' : 'loading';
    setText(this.#empty, this.#surroundings.locale.t(words));
  }

  #showNote() {
    const { locale } = this.#surroundings;
    const held = this.#held;
    this.#frame.classList.toggle('held', held);
    const count = locale.number(held ? this.#log.missed : this.#log.capacity);
    setText(this.#note, locale.t(this.#paused ? 'paused' : held ? 'held' : 'streamNote', { count }));
  }

  #showPause() {
    setIcon(find(this.#pause, 'svg', SVGElement), this.#paused ? 'play' : 'pause');
    setText(find(this.#pause, 'span', HTMLElement), this.#surroundings.locale.t(this.#paused ? 'resume' : 'pause'));
  }

  #showFilter() {
    let narrowed = false;
    for (const [name, value] of Object.entries(this.#log.filter)) {
      const control = this.#control(name);
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

  #offer() {
    const { locale, specs } = this.#surroundings;
    this.#choices('type', locale.t('allTypes'), [...specs.keys()].map((type) => [type, this.#surroundings.typeName(type)]));
    this.offerBuildings();
    this.#choices('status', locale.t('allStatuses'), [['online', locale.t('online')], ['offline', locale.t('offline')]]);
  }

  /** Offers the buildings that are known by now. */
  offerBuildings() {
    const buildings = [...this.#devices.buildings].sort((a, b) => a.localeCompare(b));
    this.#choices('building', this.#surroundings.locale.t('allBuildings'), buildings.map((building) => [building, building]));
  }

  /**
   * @param {string} name
   * @param {string} all The words for no choice.
   * @param {[string, string][]} choices Values and words.
   */
  #choices(name, all, choices) {
    const select = /** @type {HTMLSelectElement} */ (this.#control(name));
    // What is chosen stays, also while nothing of the kind is known, as after a reconnection.
    const { value } = select;
    const known = value === '' || choices.some(([choice]) => choice === value);
    const wanted = [['', all], ...choices, ...(known ? [] : [[value, value]])];
    const offered = [...select.options].map((option) => [option.value, option.text]);
    if (JSON.stringify(offered) === JSON.stringify(wanted)) return; // It may be open.
    const options = wanted.map(([choice, words]) => {
      const option = textElement('option', words ?? '');
      option.value = choice ?? '';
      return option;
    });
    select.replaceChildren(...options);
    select.value = value;
  }
}

// @ts-check
import { everyDevice } from '../../model/devices.js';
import { ReadingLog } from '../../model/reading-log.js';
import { find, setIcon, setText, textElement } from '../../components/dom.js';
import { ReadingRow } from './reading-row.js';
import { VirtualRows } from '../../components/virtual-rows.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../../model/devices.js').DeviceFilter} DeviceFilter
 * @typedef {import('../../model/devices.js').DeviceStore} DeviceStore
 * @typedef {import('../../app/surroundings.js').Surroundings} Surroundings
 */

/** The rows hold still for so long after the mouse has moved over them last, in milliseconds. */
const patience = 15_000;

/** So many rows are printed on paper. */
const printedRows = 40;

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
  #hold;
  #empty;
  #table;
  /** @type {VirtualRows<ReadingRow>} */
  #rows;
  /** When the mouse last moved over the rows, by the steady clock; -Infinity while it is elsewhere. */
  #pointed = -Infinity;
  /** Whether the keyboard has walked into the rows; focus that only came back from the drawer holds nothing. */
  #walked = false;

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
    this.#hold = find(panel, '#stream-held', HTMLElement);
    this.#empty = find(panel, '.empty', HTMLElement);
    this.#table = find(panel, 'table', HTMLTableElement);
    this.#rows = new VirtualRows({
      frame: this.#frame,
      list: this.#body,
      spacer: () => {
        const spacer = document.createElement('tr');
        spacer.className = 'spacer';
        spacer.setAttribute('aria-hidden', 'true');
        return spacer;
      },
      make: () => new ReadingRow(),
      write: (row, i) => this.#write(row, i),
    });
    this.onFilter = onFilter;
    this.#listen();
    addEventListener('beforeprint', () => this.#rows.print(printedRows));
    addEventListener('afterprint', () => this.#rows.print(0));
  }

  #listen() {
    const body = this.#body;
    const point = (/** @type {PointerEvent} */ event) => {
      if (event.pointerType === 'mouse') this.#pointed = performance.now();
    };
    body.addEventListener('pointerenter', point);
    body.addEventListener('pointermove', point);
    body.addEventListener('pointerleave', () => (this.#pointed = -Infinity));
    body.addEventListener('keyup', ({ key }) => (this.#walked ||= key === 'Tab'));
    body.addEventListener('focusout', () => (this.#walked = false));
    body.addEventListener('click', (event) => {
      // The whole row opens its device; the link in it does so by itself.
      const row = event.target instanceof Element && !event.target.closest('a') ? event.target.closest('tr') : null;
      const link = row?.querySelector('a');
      link?.focus(); // Where the keyboard comes back to when the device is closed.
      link?.click();
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
    // Who has left the mouse where it lay is not pointing at anything.
    return this.#paused || performance.now() - this.#pointed < patience || this.#walked;
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

  /**
   * Starts over from the devices as they are, after another connection's snapshot. What the reader holds still stays: it is what they
   * wanted to look at.
   */
  restart() {
    if (this.#held) return;
    this.#log.restart(this.#log.filter, []);
    this.#draw();
  }

  /** Moves the rows on, unless they are held. */
  update() {
    if (this.#held) {
      this.#showNote();
      return;
    }
    this.#log.release((id) => this.#devices.get(id));
    this.#draw();
  }

  /** Everything in another language, or with other types and buildings to choose from. */
  show() {
    this.#offer();
    this.#showFilter();
    this.#showPause();
    for (const row of this.#rows.rows) row.forget();
    this.#draw();
  }

  /**
   * @param {ReadingRow} row
   * @param {number} index
   */
  #write(row, index) {
    const device = this.#log.rows[index];
    if (!device) return;
    row.show(device, this.#surroundings);
    row.element.ariaRowIndex = String(index + 2); // The head is the first.
  }

  #draw() {
    const { length } = this.#log.rows;
    this.#rows.show(length);
    this.#table.ariaRowCount = String(length + 1);
    this.#showEmpty(length === 0);
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
    setText(this.#note, held ? '' : locale.t('streamNote', { count }));
    // Where one looks, above the rows: a list that stands still must not pass for a plant that does.
    setText(this.#hold, held ? locale.t(this.#paused ? 'paused' : 'held', { count }) : '');
    this.#hold.hidden = !held;
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

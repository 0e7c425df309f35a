// @ts-check
import { offerChoices } from '../../components/choices.js';
import { find, setIcon, setText } from '../../components/dom.js';
import { VirtualRows } from '../../components/virtual-rows.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { everyDevice } from '../../model/devices.js';
import { ReadingLog } from '../../model/reading-log.js';
import { addressedFilter, inAddress, sameFilter } from './filter.js';
import { ReadingRow } from './reading-row.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../../model/devices.js').DeviceFilter} DeviceFilter
 * @typedef {import('../../app/session.js').Session} Session
 */

/** How long the rows hold still after the last movement of the mouse over them, in milliseconds. */
const patience = 15_000;

/** Keys by which the keyboard comes to a row. */
const walking = new Set(['Tab', 'ArrowUp', 'ArrowDown', 'PageUp', 'PageDown', 'Home', 'End']);

/** The number of rows that are printed on paper. */
const printedRows = 40;

/**
 * The newest readings as they come, narrowed by what the reader chooses. The rows hold still while the reader points at
 * them, has the keyboard in them or has pressed pause.
 */
export class ReadingStream {
  #log = new ReadingLog();
  #session;
  #panel;
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
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    const panel = find(root, '.panel-stream', HTMLElement);
    this.#session = session;
    this.#panel = panel;
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
      make: () => new ReadingRow(root),
      write: (row, i) => this.#write(row, i),
      printed: printedRows,
      signal,
    });
    this.#listenToRows(signal);
    this.#listenToControls(signal);
    this.#follow(signal);
    this.#filter();
  }

  /** @param {AbortSignal} signal */
  #listenToRows(signal) {
    const body = this.#body;
    // The note follows at once: the next readings may be long in coming.
    /** @param {() => void} change */
    const hold = (change) => {
      const before = this.#held;
      change();
      if (this.#held !== before) this.#showNote();
    };
    const point = (/** @type {PointerEvent} */ event) => {
      if (event.pointerType === 'mouse') hold(() => (this.#pointed = performance.now()));
    };
    body.addEventListener('pointerenter', point, { signal });
    body.addEventListener('pointermove', point, { signal });
    body.addEventListener('pointerleave', () => hold(() => (this.#pointed = -Infinity)), { signal });
    for (const type of /** @type {const} */ (['keydown', 'keyup'])) {
      body.addEventListener(type, ({ key }) => hold(() => (this.#walked ||= walking.has(key) && (type === 'keyup' || key !== 'Tab'))), { signal });
    }
    body.addEventListener('focusout', ({ relatedTarget: next }) => {
      if (!(next instanceof Node && body.contains(next))) hold(() => (this.#walked = false));
    }, { signal });
    body.addEventListener('click', (event) => {
      // The whole row opens its device; the link in it does so by itself.
      const row = event.target instanceof Element && !event.target.closest('a') ? event.target.closest('tr') : null;
      const link = row?.querySelector('a');
      link?.focus(); // Where the keyboard comes back to when the device is closed.
      link?.click();
    }, { signal });
  }

  /** @param {AbortSignal} signal */
  #listenToControls(signal) {
    const { address } = this.#session;
    this.#form.addEventListener('input', () => address.replace(inAddress(this.#chosen())), { signal });
    this.#form.addEventListener('submit', (event) => event.preventDefault(), { signal });
    this.#form.addEventListener('reset', (event) => {
      event.preventDefault();
      address.replace(inAddress(everyDevice));
    }, { signal });
    this.#pause.addEventListener('click', () => {
      this.#pause.setAttribute('aria-pressed', String(!this.#paused));
      this.#showPause();
      this.update();
    }, { signal });
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { address, devices } = this.#session;
    address.subscribe(() => this.#filter(), { signal });
    devices.subscribe(({ arrived, removed, cleared }) => {
      if (arrived) this.#log.add(arrived);
      if (removed) this.#remove(removed);
      if (cleared) this.#restart();
    }, { signal });
  }

  /**
   * Lists the devices that a filter selects, and moves the reader there.
   *
   * @param {Partial<DeviceFilter>} filter
   */
  lead(filter) {
    this.#session.address.replace(inAddress({ ...everyDevice, ...filter }));
    this.#panel.scrollIntoView({ block: 'nearest' });
    this.#frame.focus();
  }

  get #paused() {
    return this.#pause.getAttribute('aria-pressed') === 'true';
  }

  get #held() {
    // A mouse that has not moved for a while is not pointing at anything.
    return this.#paused || performance.now() - this.#pointed < patience || this.#walked;
  }

  /** @returns {DeviceFilter} What the controls say. */
  #chosen() {
    const form = new FormData(this.#form);
    const [type, building, status, query] = ['type', 'building', 'status', 'query'].map((name) => String(form.get(name) ?? ''));
    return /** @type {DeviceFilter} */ ({ type, building, status, query: query?.trim() });
  }

  /** Narrows the stream to what the address says, unless it is that already. */
  #filter() {
    const filter = addressedFilter(this.#session.address);
    const { devices } = this.#session;
    if (sameFilter(filter, this.#log.filter) && this.#log.rows.length > 0) return;
    this.#log.restart(filter, devices.newest(filter, this.#log.capacity));
    this.#showFilter();
    this.#frame.scrollTop = 0;
    this.#draw();
  }

  /** @param {Set<string>} devices Those that are no more. */
  #remove(devices) {
    this.#log.remove(devices);
    this.#draw();
  }

  /**
   * Starts over from the devices as they are, after another connection's snapshot. A list that the reader holds still is not changed.
   */
  #restart() {
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
    this.#log.release((id) => this.#session.devices.get(id));
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
    row.show(device, this.#session);
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
    const greeted = this.#session.plant.known;
    const words = this.#session.devices.size > 0 ? terms.noMatch : greeted ? texts.streamEmpty : terms.loading;
    setText(this.#empty, this.#session.locale.t(words));
  }

  #showNote() {
    const { locale } = this.#session;
    const held = this.#held;
    this.#frame.classList.toggle('held', held);
    setText(this.#note, locale.t(texts.streamNote, { count: this.#log.capacity }));
    // Above the rows, where the reader looks: a list that is held must not look like a plant that stands still.
    const reason = this.#paused ? texts.paused : this.#walked ? texts.heldByKeyboard : texts.held;
    setText(this.#hold, held ? locale.t(reason, { count: this.#log.missed }) : '');
    this.#hold.hidden = !held;
  }

  #showPause() {
    setIcon(find(this.#pause, 'svg', SVGElement), this.#paused ? 'play' : 'pause');
    setText(find(this.#pause, 'span', HTMLElement), this.#session.locale.t(this.#paused ? texts.resume : texts.pause));
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
    const { locale, plant: { specs } } = this.#session;
    this.#choices('type', locale.t(terms.allTypes), [...specs.keys()].map((type) => [type, this.#session.typeName(type)]));
    this.offerBuildings();
    this.#choices('status', locale.t(terms.anyStatus), [['online', locale.t(terms.online)], ['offline', locale.t(terms.offline)]]);
  }

  /** Offers the buildings that are known by now. */
  offerBuildings() {
    const buildings = [...this.#session.devices.buildings].sort((a, b) => a.localeCompare(b));
    this.#choices('building', this.#session.locale.t(texts.allBuildings), buildings.map((building) => [building, visible(building)]));
  }

  /**
   * @param {'type' | 'building' | 'status'} name
   * @param {string} all The words for no choice.
   * @param {[string, string][]} choices Values and words.
   */
  #choices(name, all, choices) {
    offerChoices(/** @type {HTMLSelectElement} */ (this.#control(name)), [['', all], ...choices], this.#log.filter[name]);
  }
}

// @ts-check
import { find, setText } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { LoadState } from '../../components/load-state.js';
import { VirtualRows } from '../../components/virtual-rows.js';
import { visible } from '../../locale/visible.js';
import { Choice } from '../../model/choice.js';
import { DeviceList } from '../../model/device-list.js';
import { EntryChanges } from '../../model/entry-changes.js';
import { terms } from '../../locale/terms.js';
import { CellEditor } from './cell-editor.js';
import { ChosenBar } from './chosen-bar.js';
import { ColumnMenu } from './column-menu.js';
import { DeviceFilters } from './device-filters.js';
import { DeviceRow } from './device-row.js';
import { EditNotice } from './edit-notice.js';
import { addressedQuery, filtersDiffer, narrows, ordered, restless, sameQuery } from './query.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/device-list.js').DeviceQuery} DeviceQuery
 */

/** The number of rows that are printed on paper. */
const printedRows = 50;

/** How often the rows that can be seen are asked for again, in milliseconds. */
const period = 4000;

/** Rows are asked for when scrolling has paused for so long, in milliseconds. */
const scrollPause = 60;

/** From here on the list says how old it is, in milliseconds. */
const oldAfter = 15_000;

/** How long rows that move with each reading stay in their places after the last movement of the mouse over them, in milliseconds. */
const patience = 15_000;

/** How often the newest readings are drawn, in milliseconds. */
const pace = 1000;

/** The devices that the address asks for. The server has the list; the page has what can be seen of it. */
export class DeviceTable {
  #list = new DeviceList();
  /** The versions of the entries of those that are chosen. @type {Choice<number>} */
  #choice = new Choice();
  #changes;
  #editor;
  #notice;
  #chosen;
  #session;
  #frame;
  #body;
  #table;
  #note;
  #filters;
  #columns;
  #frames;
  /** @type {VirtualRows<DeviceRow>} */
  #rows;
  #request;
  #state;
  /** @type {DeviceQuery} */
  #query;
  /** The row to which the list is scrolled with its first answer; -1 for none. */
  #start;
  /** When the last answer came, by the steady clock. */
  #answered = 0;
  /** When the mouse last moved over the rows, by the steady clock; -Infinity while it is elsewhere. */
  #pointed = -Infinity;
  /** What is being asked for. @type {{query: DeviceQuery, offset: number, limit: number} | null} */
  #asking = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#session = session;
    this.#frame = find(root, '#devices', HTMLElement);
    this.#body = find(this.#frame, 'tbody', HTMLElement);
    this.#table = find(this.#frame, 'table', HTMLTableElement);
    this.#note = find(root, '#devices-note', HTMLElement);
    this.#query = addressedQuery(session.address);
    this.#start = Number.parseInt(session.address.get('row'), 10) - 1 || -1;
    this.#frames = new Frames(signal);
    this.#filters = new DeviceFilters(root, session, signal);
    this.#columns = new ColumnMenu(find(root, '#device-columns', HTMLDetailsElement), this.#table, session, signal);
    const saved = (/** @type {string} */ id, /** @type {import('../../model/device-list.js').Registered} */ entry) => this.#enter(id, entry);
    this.#changes = new EntryChanges(session.history, saved, signal);
    session.unsaved.watch(() => this.#changes.loss, signal);
    session.unsaved.watch(() => this.#editor.loss, signal);
    this.#editor = new CellEditor((change, version) => this.#changes.make(change, version));
    this.#notice = new EditNotice(find(root, '#edit-notice', HTMLElement), session, this.#changes);
    this.#chosen = new ChosenBar(root, session, { choice: this.#choice, list: this.#list, query: () => this.#query, onSaved: saved }, signal);
    this.#rows = new VirtualRows({
      frame: this.#frame,
      list: this.#body,
      make: () => new DeviceRow(root, (id, chosen) => this.#choose(id, chosen)),
      write: (row, i) => this.#write(row, i),
      keyOf: (i) => this.#list.at(i)?.device_id,
      printed: printedRows,
      signal,
    });
    this.#request = session.ask((asking) => this.#ask(asking), (apply) => apply(), signal);
    const empty = () => (narrows(this.#query) ? terms.noMatch : texts.noDevices);
    this.#state = new LoadState(find(root, '#devices-state', HTMLElement), session, { empty, failed: texts.devicesFailed, onRetry: () => this.#request.load() }, signal);
    this.#listen(signal);
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #listen(signal) {
    const body = this.#body;
    this.#frame.addEventListener('scroll', () => this.#require(), { passive: true, signal });
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
    body.addEventListener('pointermove', ({ pointerType }) => pointerType === 'mouse' && (this.#pointed = performance.now()), { signal });
    body.addEventListener('pointerleave', () => (this.#pointed = -Infinity), { signal });
    body.addEventListener('click', (event) => this.#click(event), { signal });
    this.#table.tHead?.addEventListener('click', (event) => {
      const by = event.target instanceof Element ? event.target.closest('th')?.dataset['sort'] : undefined;
      if (by) this.#session.address.replace({ ...ordered(this.#query, by), row: '' });
    }, { signal });
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { address, clock, devices } = this.#session;
    this.#changes.subscribe(() => {
      this.#notice.show();
      this.#frames.request(this.#draw);
    }, { signal });
    this.#choice.subscribe(() => {
      this.#chosen.show();
      this.#frames.request(this.#draw);
    }, { signal });
    address.subscribe(() => this.#narrow(), { signal });
    devices.subscribe(() => this.#frames.request(this.#draw, pace), { signal });
    for (const store of [this.#list, this.#request]) store.subscribe(() => this.#frames.request(this.#update), { signal });
    clock.subscribe(() => {
      if (!document.hidden && !this.#held) this.#request.renew(period);
      this.#frames.request(this.#update);
    }, { signal });
  }

  start() {
    this.#filters.start();
    this.#request.load();
  }

  /** Asks for the list again. */
  reload() {
    this.#request.load();
  }

  /**
   * @param {string} id
   * @param {import('../../model/device-list.js').Registered} entry
   */
  #enter(id, entry) {
    this.#list.enter(id, entry);
    this.#choice.renew([[id, entry.version]]);
  }

  /**
   * @param {string} id
   * @param {boolean} chosen
   */
  #choose(id, chosen) {
    const item = this.#list.find(id);
    if (chosen && item) this.#choice.add(id, item.registered?.version ?? 0);
    else this.#choice.delete(id);
  }

  /** Whether the rows stay where they are, because the reader points at them or has the keyboard in them. */
  get #held() {
    if (this.#editor.id !== '') return true;
    return restless(this.#query) && (performance.now() - this.#pointed < patience || this.#body.contains(document.activeElement));
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const target = event.target instanceof Element ? event.target : null;
    const row = target?.closest('tr') ?? null;
    const cell = target?.closest('button.cell');
    if (cell instanceof HTMLButtonElement) {
      this.#edit(cell, this.#rows.indexOf(cell));
      return;
    }
    const link = row?.querySelector('a');
    if (!link?.href) return;
    if (target?.closest('input, .col-choose')) return;
    // Going back leads to where the list was.
    this.#session.address.replace({ row: String(this.#rows.indexOf(row) + 1) });
    if (target?.closest('a')) return;
    link.focus();
    link.click();
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {number} index
   */
  #edit(button, index) {
    const item = this.#list.at(index);
    if (!item) return;
    const field = button.dataset['field'] === 'area' ? 'area' : 'name';
    const { device_id: id, registered } = item;
    const text = field === 'area' ? texts.editArea : texts.editName;
    const value = this.#changes.pending(id, field) ?? registered?.[field] ?? '';
    this.#editor.open(button, { id, field, value, version: registered?.version ?? 0, label: this.#session.locale.t(text, { id: visible(id) }) });
  }

  /** Asks for what the address says, unless that is shown already. */
  #narrow() {
    const query = addressedQuery(this.#session.address);
    this.#filters.update();
    if (sameQuery(query, this.#query)) return;
    this.#editor.close({ save: true });
    // What cannot be seen any more is not changed.
    if (filtersDiffer(query, this.#query)) this.#choice.replace([]);
    this.#query = query;
    this.#frame.scrollTop = 0;
    this.#request.load();
  }

  /** Asks for rows that can be seen and are not there, once scrolling pauses. */
  #require() {
    clearTimeout(this.#timer);
    const { first, rows } = this.#rows;
    const asking = this.#asking;
    const coming = asking && sameQuery(this.#query, asking.query) && first >= asking.offset && first + rows.length <= asking.offset + asking.limit;
    if (coming || !this.#list.lacks(first, rows.length) || this.#request.phase === 'failed') return;
    this.#timer = setTimeout(() => this.#request.load(), scrollPause);
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<() => void>} What takes the answer over.
   */
  async #ask(signal) {
    const query = this.#query;
    const { first, rows } = this.#rows;
    const begin = this.#start >= 0 ? this.#start : sameQuery(query, this.#list.query) ? first : 0;
    const part = DeviceList.part(begin, Math.max(rows.length, 50));
    const asking = (this.#asking = { query, ...part });
    try {
      const { items, total } = await this.#session.history.devices(query, part, signal);
      return () => {
        this.#answered = performance.now();
        this.#list.apply(query, { offset: part.offset, items, total });
        this.#choice.renew(this.#list.items.map(({ device_id: id, registered }) => [id, registered?.version ?? 0]));
      };
    } finally {
      if (this.#asking === asking) this.#asking = null;
    }
  }

  /**
   * @param {DeviceRow} row
   * @param {number} index
   */
  #write(row, index) {
    const item = this.#list.at(index);
    row.element.ariaRowIndex = String(index + 2); // The head is the first.
    // The row that has been edited shows another device now.
    if (this.#editor.id !== '' && this.#editor.id === row.id && row.id !== item?.device_id) this.#editor.close({ save: true });
    if (!item) {
      row.wait();
      return;
    }
    const id = item.device_id;
    const state = { chosen: this.#choice.has(id), name: this.#changes.pending(id, 'name'), area: this.#changes.pending(id, 'area') };
    row.show(item, this.#session.devices.get(id), state, this.#session);
  }

  #draw = () => this.#rows.draw();

  /** Shows the list as it is now. */
  #update = () => {
    const { total, known } = this.#list;
    this.#state.update(this.#request, { empty: total === 0 });
    this.#rows.show(total);
    if (known && this.#start >= 0) this.#restore();
    this.#require();
    this.#table.ariaRowCount = known ? String(total + 1) : '-1';
    this.#table.ariaBusy = String(!sameQuery(this.#query, this.#list.query));
    this.#showOrder();
    this.#showNote();
    this.#chosen.show();
  };

  /** Comes back to the row from which the reader had left. */
  #restore() {
    const row = this.#rows.reveal(Math.min(this.#start, this.#list.total - 1));
    this.#start = -1;
    row?.element.querySelector('a')?.focus();
    this.#session.address.replace({ row: '' });
  }

  #showOrder() {
    for (const head of this.#table.querySelectorAll('th')) {
      const by = head.dataset['sort'];
      if (by) head.ariaSort = by !== this.#query.sort ? 'none' : this.#query.order === 'asc' ? 'ascending' : 'descending';
    }
  }

  #showNote() {
    const { locale } = this.#session;
    const { total, known } = this.#list;
    const age = performance.now() - this.#answered;
    const old = known && !this.#held && age > oldAfter;
    const count = known ? locale.t(narrows(this.#query) ? texts.matching : terms.devicesCounted, { count: total }) : '';
    setText(this.#note, old ? `${count} ${locale.t(texts.listOld, { age: locale.duration(age) })}` : count);
  }

  /** Everything in another language, or with other types. */
  show() {
    this.#filters.show();
    this.#columns.show();
    this.#notice.show();
    this.#update();
  }
}

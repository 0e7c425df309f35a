// @ts-check
import { RowKeyboard } from './row-keyboard.js';

/** The number of rows beyond each edge that exist as well unless a list wants more, so that scrolling by a little shows no blank. */
const usualOverscan = 3;

/** How long after the last scrolling a list has ended, in milliseconds. */
const scrollPause = 150;

/** How many rows a list with a large overscan is scrolled by until rows are written again: so few that it takes less than a frame. */
const scrolledTogether = 4;

/** The assumed height of a row until one has been measured, in pixels. */
const usualHeight = 28;

/**
 * Shows a long list of rows of equal height through a scrolling frame: only the rows that can be seen exist, between two spacers that
 * stand for the rest. Rows are made once and written again and again. The list is one stop of the Tab key.
 *
 * @template {{element: HTMLElement}} Row
 */
export class VirtualRows {
  #options;
  /** In the order of the page. @type {Row[]} */
  #rows = [];
  /** The index that each row was written for. @type {WeakMap<Row, number>} */
  #places = new WeakMap();
  #above;
  #below;
  #count = 0;
  #first = 0;
  #height = usualHeight;
  #scrolled = 0;
  #seen = 0;
  /** The first rows are shown, and so many of them, whatever can be seen; 0 for what can be seen. */
  #printed = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pausing;
  #sizes;
  #keyboard;

  /**
   * @param {object} options
   * @param {HTMLElement} options.frame What scrolls.
   * @param {HTMLElement} options.list Where the rows are: a list, or the body of a table.
   * @param {() => Row} options.make
   * @param {(row: Row, index: number) => void} options.write Has a row show the item of an index.
   * @param {(index: number) => string | undefined} [options.keyOf] Names an item: the focus stays with its item when others come before
   *   it. Not needed where the items stand still while the keyboard is among them.
   * @param {number} [options.overscan] How many rows beyond each edge exist as well. With many of them rows are written again only every so many
   *   rows, and scrolling in between costs nothing.
   * @param {number} options.printed How many rows are printed on paper: the first ones, whatever can be seen.
   * @param {AbortSignal} options.signal
   */
  constructor(options) {
    this.#options = options;
    const { frame, list, printed, signal } = options;
    this.#above = spacer(list);
    this.#below = spacer(list);
    list.append(this.#above, this.#below);
    this.#keyboard = new RowKeyboard(frame, this, options.keyOf, signal);
    // Reading sizes after writing would have the page laid out twice.
    this.#sizes = new ResizeObserver(() => this.#measure());
    this.#sizes.observe(frame);
    frame.addEventListener('scroll', () => {
      this.#scrolled = frame.scrollTop;
      this.#scroll();
    }, { passive: true, signal });
    addEventListener('beforeprint', () => this.#print(printed), { signal });
    addEventListener('afterprint', () => this.#print(0), { signal });
    signal.addEventListener('abort', () => {
      clearTimeout(this.#pausing);
      this.#sizes.disconnect();
    }, { once: true });
  }

  get rows() {
    return this.#rows;
  }

  get count() {
    return this.#count;
  }

  /** The index of the first row that exists. */
  get first() {
    return this.#first;
  }

  /** The indexes of the first and the last row that can be seen in full. @returns {[number, number]} */
  get seen() {
    const last = Math.floor((this.#scrolled + this.#seen) / this.#height) - 1;
    return [Math.ceil(this.#scrolled / this.#height), Math.max(0, Math.min(last, this.#count - 1))];
  }

  /**
   * Returns the index of the row that holds an element, -1 if none does.
   *
   * @param {Element | null} element
   */
  indexOf(element) {
    const at = this.#rows.findIndex((row) => row.element.contains(element));
    return at < 0 ? -1 : this.#first + at;
  }

  /**
   * Returns the row of an index, and makes it exist if necessary.
   *
   * @param {number} index
   */
  reveal(index) {
    if (!this.#rows[index - this.#first]) {
      const { frame } = this.#options;
      frame.scrollTop = index * this.#height - this.#seen / 2;
      this.#scrolled = frame.scrollTop;
      this.draw();
    }
    return this.#rows[index - this.#first];
  }

  #measure() {
    const first = this.#rows[0]?.element;
    const height = first?.getBoundingClientRect().height;
    const seen = this.#options.frame.clientHeight;
    if ((!height || height === this.#height) && seen === this.#seen) return;
    if (height) this.#height = height;
    this.#seen = seen;
    this.draw();
  }

  /**
   * Shows so many items.
   *
   * @param {number} count
   */
  show(count) {
    this.#count = count;
    this.draw();
    this.#keyboard.follow();
  }

  /**
   * Shows the first rows, as many as are given, for a page on paper; 0 shows again what can be seen.
   *
   * @param {number} count
   */
  #print(count) {
    this.#printed = count;
    this.draw();
  }

  /** Writes the rows that can be seen. */
  draw() {
    this.#draw(true);
  }

  /** @param {boolean} all Also the rows that stay where they are. */
  #draw(all) {
    const [first, last] = this.#range();
    const { focused } = this.#keyboard;
    const before = this.#rows.length;
    this.#turn(first - this.#first, last - first);
    this.#first = first;
    if (focused >= 0 && this.#keyboard.focused !== focused) this.#keyboard.leave();
    this.#rows.forEach((row, i) => {
      if (!all && this.#places.get(row) === first + i) return;
      this.#places.set(row, first + i);
      this.#options.write(row, first + i);
    });
    this.#space(this.#above, first);
    this.#space(this.#below, this.#count - last);
    if (all || this.#rows.length > before) this.#keyboard.update();
  }

  /** Writes only the rows that are missing while it is scrolled, and all once it is not: then the row that Tab comes to is one that can be seen. */
  #scroll() {
    clearTimeout(this.#pausing);
    this.#pausing = setTimeout(() => this.draw(), scrollPause);
    if (!this.#covers) this.#draw(false);
  }

  get #overscan() {
    return this.#options.overscan ?? usualOverscan;
  }

  /** Whether the rows that exist reach far enough beyond both edges of what can be seen. */
  get #covers() {
    const spare = this.#overscan - scrolledTogether;
    if (spare < usualOverscan || this.#printed) return false;
    const first = Math.floor(this.#scrolled / this.#height) - spare;
    const last = Math.ceil((this.#scrolled + this.#seen) / this.#height) + spare;
    return Math.max(0, first) >= this.#first && Math.min(this.#count, last) <= this.#first + this.#rows.length;
  }

  /** @returns {[number, number]} The first index and the one after the last. */
  #range() {
    const overscan = this.#overscan;
    if (this.#printed) return [0, Math.min(this.#printed, this.#count)];
    const first = Math.floor(this.#scrolled / this.#height) - overscan;
    const last = Math.ceil((this.#scrolled + this.#seen) / this.#height) + overscan;
    const end = Math.min(this.#count, Math.max(last, 0));
    return [Math.max(0, Math.min(first, end)), end];
  }

  /**
   * Makes as many rows as are needed, and moves those that have left one edge to the other, so that the rows in between keep
   * their items.
   *
   * @param {number} by
   * @param {number} count
   */
  #turn(by, count) {
    const rows = this.#rows;
    if (by > 0 && by < rows.length) {
      const moved = rows.splice(0, by);
      rows.push(...moved);
      this.#below.before(...moved.map(({ element }) => element));
    } else if (by < 0 && -by < rows.length) {
      const moved = rows.splice(by);
      rows.unshift(...moved);
      this.#above.after(...moved.map(({ element }) => element));
    }
    while (rows.length > count) rows.pop()?.element.remove();
    while (rows.length < count) {
      const row = this.#options.make();
      rows.push(row);
      this.#below.before(row.element);
      if (rows.length === 1) this.#sizes.observe(row.element);
    }
  }

  /**
   * @param {HTMLElement} spacer
   * @param {number} rows
   */
  #space(spacer, rows) {
    const height = `${rows * this.#height}px`;
    if (spacer.style.height !== height) spacer.style.height = height;
    spacer.hidden = rows === 0;
  }
}

/**
 * Returns an element whose height is that of the rows that are not there.
 * @param {HTMLElement} list
 */
function spacer(list) {
  const spacer = document.createElement(list instanceof HTMLTableSectionElement ? 'tr' : 'li');
  spacer.className = 'spacer';
  spacer.setAttribute('aria-hidden', 'true');
  return spacer;
}

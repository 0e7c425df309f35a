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
  /** Rows that show what their item was before. @type {Set<Row>} */
  #outdated = new Set();
  /** Rows that are not in the list now, to be used again. @type {Row[]} */
  #spare = [];
  /** The frame in which more rows may be written; 0 if some may be written at once. */
  #frame = 0;
  /** Whether rows are missing or outdated. */
  #unfinished = false;
  /** Whether items have changed while rows were still outdated. */
  #again = false;
  #sizes;
  /** The row whose size is followed. @type {Row | undefined} */
  #measured;
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
   * @param {number} [options.together] How many rows are written in one frame at most; the others follow in the next ones, so that no frame takes
   *   long. Only for lists whose rows know by themselves what they show: until a row is written again it shows what was at its index before.
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
      if (this.#frame) cancelAnimationFrame(this.#frame);
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
      this.#write(...this.#range(), Infinity);
    }
    const row = this.#rows[index - this.#first];
    if (row && this.#outdated.delete(row)) this.#options.write(row, index);
    return row;
  }

  #measure() {
    const first = this.#rows[0]?.element;
    const height = first?.getBoundingClientRect().height;
    const seen = this.#options.frame.clientHeight;
    if ((!height || height === this.#height) && seen === this.#seen) return;
    if (height) this.#height = height;
    this.#seen = seen;
    this.#draw(false);
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
    if (all) {
      if (this.#outdated.size > 0) this.#again = true; // Those that wait would wait for ever if all began to wait with each change.
      else this.#outdated = new Set(this.#rows);
    }
    if (!this.#options.together || this.#printed) this.#write(...this.#range(), Infinity);
    else if (this.#frame) this.#unfinished = true;
    else this.#advance();
  }

  /** Writes as many rows as one frame may, and the others in the frames that follow. */
  #advance() {
    const [first, last] = this.#nearest();
    this.#write(first, last, this.#options.together ?? Infinity);
    this.#later();
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#again && this.#outdated.size === 0) {
        this.#again = false;
        this.#outdated = new Set(this.#rows);
      }
      if (this.#unfinished || this.#outdated.size > 0) this.#advance();
    });
  }

  /**
   * Writes the rows of a range: all that have come to show another item, and of those that are outdated as many as there is room for.
   *
   * @param {number} first
   * @param {number} last
   * @param {number} room
   */
  #write(first, last, room) {
    const { focused } = this.#keyboard;
    const before = this.#rows.length;
    this.#turn(first, last);
    if (focused >= 0 && this.#keyboard.focused !== focused) this.#keyboard.leave();
    const write = (/** @type {Row} */ row, /** @type {number} */ index) => {
      this.#places.set(row, index);
      this.#outdated.delete(row);
      this.#options.write(row, index);
      room--;
    };
    const changed = this.#outdated.size > 0;
    this.#rows.forEach((row, i) => this.#places.get(row) !== first + i && write(row, first + i));
    const seen = Math.max(0, this.seen[0] - first);
    for (let i = 0; i < this.#rows.length && room > 0 && this.#outdated.size > 0; i++) {
      const at = (seen + i) % this.#rows.length; // What can be seen comes first.
      const row = this.#rows[at];
      if (row && this.#outdated.has(row)) write(row, first + at);
    }
    this.#space(this.#above, first);
    this.#space(this.#below, this.#count - last);
    if (changed || this.#rows.length > before) this.#keyboard.update();
    const [from, to] = this.#range();
    this.#unfinished = this.#outdated.size > 0 || first > from || last < to;
  }

  /**
   * The indexes of the rows that exist and shall, and of as many of those that are missing as may be written in one frame: first what can be seen.
   *
   * @returns {[number, number]} The first index and the one after the last.
   */
  #nearest() {
    const [from, to] = this.#range();
    const seenFrom = Math.min(Math.max(from, Math.floor(this.#scrolled / this.#height)), to);
    const seenTo = Math.min(to, Math.ceil((this.#scrolled + this.#seen) / this.#height));
    let first = Math.max(from, this.#first);
    let last = Math.min(to, this.#first + this.#rows.length);
    if (first > seenTo || last < seenFrom || first >= last) first = last = seenFrom; // None that can be seen exists.
    let room = this.#options.together ?? Infinity;
    for (const [lowest, highest] of [[seenFrom, seenTo], [from, to]]) {
      const down = Math.max(0, Math.min(room, (highest ?? last) - last));
      last += down;
      room -= down;
      const up = Math.max(0, Math.min(room, first - (lowest ?? first)));
      first -= up;
      room -= up;
    }
    return [first, last];
  }

  /** Writes only the rows that are missing while it is scrolled, and all once it is not: then the row that Tab comes to is one that can be seen. */
  #scroll() {
    clearTimeout(this.#pausing);
    this.#pausing = setTimeout(() => this.draw(), scrollPause);
    if (this.#covers) return;
    this.#unfinished = true;
    if (this.#options.together && !this.#printed) this.#later(); // In the frame that is about to be drawn.
    else this.#draw(false);
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
   * @param {number} first
   * @param {number} last
   */
  #turn(first, last) {
    const rows = this.#rows;
    const after = this.#first + rows.length;
    const apart = first >= after || last <= this.#first; // Every row gets another item.
    const free = apart ? rows.splice(last - first) : [...rows.splice(Math.max(0, last - this.#first)), ...rows.splice(0, Math.max(0, first - this.#first))];
    const begun = apart ? 0 : Math.max(0, this.#first - first);
    const head = Array.from({ length: Math.min(begun, last - first) }, () => this.#another(free));
    this.#above.after(...head.map(({ element }) => element));
    rows.unshift(...head);
    const tail = Array.from({ length: last - first - rows.length }, () => this.#another(free));
    this.#below.before(...tail.map(({ element }) => element));
    rows.push(...tail);
    for (const row of free) {
      row.element.remove();
      this.#outdated.delete(row);
      this.#places.delete(row);
      if (this.#options.together) this.#spare.push(row);
    }
    this.#first = first;
    if (this.#measured && rows.includes(this.#measured)) return;
    if (this.#measured) this.#sizes.unobserve(this.#measured.element);
    [this.#measured] = rows;
    if (this.#measured) this.#sizes.observe(this.#measured.element);
  }

  /**
   * Returns a row that is not in the list, or one of those that have left it.
   *
   * @param {Row[]} free
   */
  #another(free) {
    return free.pop() ?? this.#spare.pop() ?? this.#options.make();
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

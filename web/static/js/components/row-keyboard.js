// @ts-check

/**
 * @typedef {Pick<import('./virtual-rows.js').VirtualRows<any>, 'rows' | 'seen' | 'first' | 'count' | 'indexOf' | 'reveal'>} Rows
 */

/**
 * Makes a long list one row of stops of the Tab key, so that what comes after it can be reached: from there the arrow keys, Page Up and Page
 * Down, Home and End go from row to row, also to rows that are not there yet. The focus is on the link of a row; what else a row has
 * follows it in the order of the Tab key.
 */
export class RowKeyboard {
  #frame;
  #rows;
  #keyOf;
  /** The index of the row that Tab comes to, if it can be seen. */
  #index = 0;
  /** What the row with the focus shows. @type {string | undefined} */
  #key;

  /**
   * @param {HTMLElement} frame
   * @param {Rows} rows
   * @param {((index: number) => string | undefined) | undefined} keyOf
   * @param {AbortSignal} signal
   */
  constructor(frame, rows, keyOf, signal) {
    this.#frame = frame;
    this.#rows = rows;
    this.#keyOf = keyOf;
    frame.addEventListener('keydown', (event) => this.#press(event), { signal });
    frame.addEventListener('focusin', () => this.#arrive(), { signal });
  }

  /** The index of the row that has the focus; -1 if none has. */
  get focused() {
    return this.#rows.indexOf(document.activeElement);
  }

  /** The rows have been drawn: only one of them is reached by Tab. */
  update() {
    const [first, last] = this.#rows.seen;
    const stop = Math.max(first, Math.min(this.#index, last));
    this.#rows.rows.forEach((row, i) => {
      const tabIndex = this.#rows.first + i === stop ? 0 : -1;
      for (const control of controlsOf(row)) if (control.tabIndex !== tabIndex) control.tabIndex = tabIndex;
    });
  }

  /**
   * The row that had the focus has gone out of sight, and its element is another row's: the keyboard stays in the list.
   */
  leave() {
    this.#frame.focus({ preventScroll: true });
  }

  /** Other items are listed: the focus goes where the one that had it is now. */
  follow() {
    const { focused } = this;
    const key = this.#key;
    if (focused < 0 || key === undefined || !this.#keyOf || this.#keyOf(focused) === key) return;
    for (let i = 0; i < this.#rows.count; i++) {
      if (this.#keyOf(i) !== key) continue;
      this.#go(i);
      return;
    }
    this.#arrive(); // It is listed no more: the keyboard stays in its place.
  }

  #arrive() {
    const { focused } = this;
    if (focused < 0) return;
    this.#index = focused;
    this.#key = this.#keyOf?.(focused);
    this.update();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const [first, last] = this.#rows.seen;
    const page = Math.max(1, last - first);
    const { focused } = this;
    const from = focused < 0 ? first - 1 : focused;
    /** @type {Record<string, number>} */
    const wanted = { ArrowDown: from + 1, ArrowUp: from - 1, PageDown: from + page, PageUp: from - page, Home: 0, End: Infinity };
    const index = wanted[event.key];
    if (index === undefined || this.#rows.count === 0) return;
    event.preventDefault();
    this.#go(Math.max(0, Math.min(index, this.#rows.count - 1)));
  }

  /** @param {number} index */
  #go(index) {
    linkOf(this.#rows.reveal(index))?.focus();
  }
}

/**
 * @param {{element: HTMLElement}} row
 * @returns {NodeListOf<HTMLElement>}
 */
function controlsOf(row) {
  return row.element.querySelectorAll('a, button, input');
}

/** @param {{element: HTMLElement} | undefined} row */
function linkOf(row) {
  return row?.element.querySelector('a');
}

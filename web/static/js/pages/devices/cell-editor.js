// @ts-check

/**
 * @typedef {import('../../model/entry-changes.js').Field} Field
 *
 * @typedef {{id: string, field: Field, value: string, version: number, label: string}} Cell What is edited: the device, its field, the
 *   present value, the version of its entry, and what the input is called.
 */

/** The longest text of each field in bytes, as the server has it. @type {Record<Field, number>} */
const longest = { name: 128, area: 1024 };

/** Lets the reader change the text of a cell in its place. Enter and leaving save, Escape does not. At most one cell is open. */
export class CellEditor {
  #onSave;
  /** @type {{cell: Cell, button: HTMLElement, input: HTMLInputElement} | null} */
  #open = null;

  /** @param {(change: import('../../model/entry-changes.js').Change, version: number) => void} onSave */
  constructor(onSave) {
    this.#onSave = onSave;
  }

  /** The device whose cell is open; empty for none. */
  get id() {
    return this.#open?.cell.id ?? '';
  }

  /** What is lost when the page is left. @returns {import('../../model/unsaved.js').Loss} */
  get loss() {
    return this.#open && this.#open.input.value.trim() !== this.#open.cell.value ? 'typed' : '';
  }

  /**
   * Puts an input into the place of a cell's button.
   *
   * @param {HTMLElement} button
   * @param {Cell} cell
   */
  open(button, cell) {
    this.close({ save: true });
    const input = document.createElement('input');
    input.type = 'text';
    input.className = 'cell-input';
    input.value = cell.value;
    input.maxLength = longest[cell.field];
    input.autocomplete = 'off';
    input.spellcheck = false;
    input.setAttribute('aria-label', cell.label);
    if (cell.field === 'area') input.setAttribute('list', 'device-areas');
    input.addEventListener('keydown', (event) => this.#press(event));
    input.addEventListener('blur', () => document.hasFocus() && this.close({ save: true }));
    this.#open = { cell, button, input };
    button.hidden = true;
    button.before(input);
    input.focus();
    input.select();
  }

  /**
   * @param {{save: boolean, refocus?: boolean}} how Refocus: the keyboard goes back to the cell.
   */
  close({ save, refocus = false }) {
    const open = this.#open;
    if (!open) return;
    this.#open = null; // Removing the input has it blur.
    const { cell: { id, field, value: before, version }, button, input } = open;
    const value = input.value.trim();
    input.remove();
    button.hidden = false;
    if (refocus) button.focus();
    if (save && value !== before) this.#onSave({ id, field, value }, version);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    event.stopPropagation(); // The arrow keys move in the text.
    if (event.isComposing) return; // Enter chooses a word of an input method.
    if (event.key !== 'Enter' && event.key !== 'Escape') return;
    event.preventDefault();
    this.close({ save: event.key === 'Enter', refocus: true });
  }
}

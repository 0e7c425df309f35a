// @ts-check

/**
 * @typedef {object} LegendItem A series of a chart.
 * @property {string} id
 * @property {string} name
 * @property {boolean} hidden
 */

/** The names of a chart's series, each a button that is pressed while its series is shown. */
export class ChartLegend {
  #container;

  /**
   * @param {HTMLElement} container
   * @param {(id: string) => void} onToggle A series is to be hidden, or shown again.
   * @param {AbortSignal} signal
   */
  constructor(container, onToggle, signal) {
    this.#container = container;
    container.addEventListener('click', (event) => {
      const button = event.target instanceof Element ? event.target.closest('button') : null;
      if (button) onToggle(button.dataset['series'] ?? '');
    }, { signal });
  }

  /**
   * Shows these series in this order. The button of a series that is gone stays while it has the focus.
   *
   * @param {LegendItem[]} items
   */
  show(items) {
    /** @type {Element | null} */
    let next = null;
    const shown = new Set();
    for (const { id, name, hidden } of [...items].reverse()) {
      /** @type {HTMLButtonElement} */
      const button = this.#button(id) ?? this.#insert(id, next);
      button.setAttribute('aria-pressed', String(!hidden));
      if (button.lastChild?.nodeValue !== name) button.lastChild?.replaceWith(name);
      shown.add(button);
      next = button;
    }
    for (const button of [...this.#container.children]) if (!shown.has(button) && button !== document.activeElement) button.remove();
  }

  /** @param {string} id */
  #button(id) {
    for (const button of this.#container.querySelectorAll('button')) if (button.dataset['series'] === id) return button;
    return null;
  }

  /**
   * @param {string} id
   * @param {Element | null} next What follows; null for nothing.
   */
  #insert(id, next) {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset['series'] = id;
    const mark = document.createElement('span');
    mark.className = 'legend-mark';
    button.append(mark, '\u00a0');
    this.#container.insertBefore(button, next);
    return button;
  }
}

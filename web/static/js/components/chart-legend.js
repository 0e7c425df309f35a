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
   * Shows these series, which are always the same ones in another language.
   *
   * @param {LegendItem[]} items
   */
  show(items) {
    for (const { id, name, hidden } of items) {
      const button = this.#button(id);
      button.setAttribute('aria-pressed', String(!hidden));
      if (button.lastChild?.nodeValue !== name) button.lastChild?.replaceWith(name);
    }
  }

  /**
   * @param {string} id
   * @returns {HTMLButtonElement}
   */
  #button(id) {
    for (const button of this.#container.querySelectorAll('button')) if (button.dataset['series'] === id) return button;
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset['series'] = id;
    const mark = document.createElement('span');
    mark.className = 'legend-mark';
    button.append(mark, '\u00a0');
    this.#container.append(button);
    return button;
  }
}

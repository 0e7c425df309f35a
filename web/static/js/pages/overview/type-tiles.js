// @ts-check
import { find, instantiate, setLongText, setText } from '../../components/dom.js';

/**
 * @typedef {import('../../model/windows.js').WindowPoint} WindowPoint
 * @typedef {import('../../app/surroundings.js').Surroundings} Surroundings
 */

/** Every device type with its newest numbers, side by side; the one that is chosen is drawn in the chart below. */
export class TypeTiles {
  /** @type {Map<string, HTMLLabelElement>} */
  #tiles = new Map();

  /**
   * @param {HTMLElement} container
   * @param {Surroundings} surroundings
   * @param {(type: string) => void} onChange
   */
  constructor(container, surroundings, onChange) {
    this.container = container;
    this.surroundings = surroundings;
    container.addEventListener('change', (event) => {
      if (event.target instanceof HTMLInputElement) onChange(event.target.value);
    });
  }

  /**
   * Offers the types that the server knows.
   *
   * @param {string} chosen
   */
  offer(chosen) {
    for (const [type, tile] of this.#tiles) {
      if (this.surroundings.specs.has(type)) continue;
      tile.remove();
      this.#tiles.delete(type);
    }
    for (const type of this.surroundings.specs.keys()) {
      const tile = this.#tile(type);
      setLongText(find(tile, '.type-name', HTMLElement), this.surroundings.typeName(type));
      find(tile, 'input', HTMLInputElement).checked = type === chosen;
    }
  }

  /** @param {string} type */
  #tile(type) {
    let tile = this.#tiles.get(type);
    if (!tile) {
      tile = instantiate('type-tile', HTMLLabelElement);
      find(tile, 'input', HTMLInputElement).value = type;
      this.#tiles.set(type, tile);
      this.container.append(tile);
    }
    return tile;
  }

  /** @param {(type: string) => WindowPoint | undefined} newest */
  update(newest) {
    const { locale, specs } = this.surroundings;
    for (const [type, tile] of this.#tiles) {
      const point = newest(type);
      const spec = specs.get(type);
      const range = point
        ? locale.t('tileRange', { min: locale.plain(point.min, spec), max: locale.plain(point.max, spec) })
        : '';
      setText(find(tile, '.type-value', HTMLElement), locale.aggregate(point?.average, spec));
      setText(find(tile, '.type-range', HTMLElement), range);
    }
  }
}

// @ts-check
import { find, instantiate, setLongText, setText } from '../../components/dom.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 */

/** Every device type with its newest numbers, side by side; the one that is chosen is drawn in the chart below. */
export class TypeTiles {
  /** @type {Map<string, HTMLLabelElement>} */
  #tiles = new Map();

  /**
   * @param {ParentNode} root Where the tiles' template is.
   * @param {HTMLElement} container
   * @param {Session} session
   * @param {(type: string) => void} onChange
   * @param {AbortSignal} signal
   */
  constructor(root, container, session, onChange, signal) {
    this.root = root;
    this.container = container;
    this.session = session;
    container.addEventListener('change', (event) => {
      if (event.target instanceof HTMLInputElement) onChange(event.target.value);
    }, { signal });
  }

  /**
   * Offers the types that the server knows.
   *
   * @param {string} chosen
   */
  offer(chosen) {
    for (const [type, tile] of this.#tiles) {
      if (this.session.plant.specs.has(type)) continue;
      tile.remove();
      this.#tiles.delete(type);
    }
    for (const type of this.session.plant.specs.keys()) {
      const tile = this.#tile(type);
      setLongText(find(tile, '.type-name', HTMLElement), this.session.typeName(type));
      find(tile, 'input', HTMLInputElement).checked = type === chosen;
    }
  }

  /** @param {string} type */
  #tile(type) {
    let tile = this.#tiles.get(type);
    if (!tile) {
      tile = instantiate(this.root, 'type-tile', HTMLLabelElement);
      find(tile, 'input', HTMLInputElement).value = type;
      this.#tiles.set(type, tile);
      this.container.append(tile);
    }
    return tile;
  }

  update() {
    const { locale, plant: { specs }, windows } = this.session;
    for (const [type, tile] of this.#tiles) {
      const point = windows.newest(type);
      const spec = specs.get(type);
      const range = point
        ? locale.t(texts.tileRange, { min: locale.plain(point.min, spec), max: locale.plain(point.max, spec) })
        : '';
      setText(find(tile, '.type-value', HTMLElement), locale.aggregate(point?.average, spec));
      setText(find(tile, '.type-range', HTMLElement), range);
    }
  }
}

// @ts-check

/** @typedef {'' | 'saving' | 'typed'} Loss What is lost when the page is left: nothing, what is on its way to the server, or what only the page has. */

/** Knows whether a page holds what is not saved. */
export class Unsaved {
  /** @type {Set<() => Loss>} */
  #parts = new Set();

  /**
   * Asks a part of the page, too, until the signal ends.
   *
   * @param {() => Loss} loss
   * @param {AbortSignal} signal
   */
  watch(loss, signal) {
    if (signal.aborted) return;
    this.#parts.add(loss);
    signal.addEventListener('abort', () => this.#parts.delete(loss), { once: true });
  }

  /** The worst loss of all parts. @returns {Loss} */
  get loss() {
    const losses = [...this.#parts].map((loss) => loss());
    return losses.find((loss) => loss === 'typed') ?? losses.find((loss) => loss === 'saving') ?? '';
  }
}

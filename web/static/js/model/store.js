// @ts-check

/**
 * Something that changes, and that others follow: it calls them at every change, and they read what they show from it.
 *
 * @template [Change=void] What is said of a change to those that follow.
 */
export class Store {
  #version = 0;
  /** @type {Set<{listener: (change: Change) => void}>} */
  #followers = new Set();

  /** Grows with every change, so that what was made of the contents can be kept until the next. */
  get version() {
    return this.#version;
  }

  /** How many follow. */
  get subscribers() {
    return this.#followers.size;
  }

  /**
   * Has a function called at every change, until the signal ends. What the store holds already is not told: read it first.
   *
   * @param {(change: Change) => void} listener
   * @param {{signal: AbortSignal}} options
   */
  subscribe(listener, { signal }) {
    if (signal.aborted) return;
    const follower = { listener };
    this.#followers.add(follower);
    signal.addEventListener('abort', () => this.#followers.delete(follower), { once: true });
  }

  /**
   * To be called after a change, by the store itself. A follower that fails does not keep the others from being called.
   *
   * @protected
   * @param {Change} change
   */
  changed(change) {
    this.#version++;
    for (const { listener } of this.#followers) {
      try {
        listener(change);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

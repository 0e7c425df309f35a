// @ts-check

/**
 * Data that changes, with its followers: it calls them at every change, and they read from it what they show.
 *
 * @template [Change=void] What is said of a change to those that follow.
 */
export class Store {
  #version = 0;
  /** @type {Set<{listener: (change: Change) => void}>} */
  #followers = new Set();

  /** Grows with every change, so that a follower can keep what it has computed until the version is another one. */
  get version() {
    return this.#version;
  }

  /** The number of followers. */
  get subscribers() {
    return this.#followers.size;
  }

  /**
   * Has a function called at every change, until the signal ends. It is not called for what the store holds already: read that first.
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
   * Calls the followers after a change. Only the store itself calls it. A follower that fails does not keep the others from being called.
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

// @ts-check
import { Decisions } from './decisions.js';
import { Draft } from './draft.js';
import { formOf, readRoutes, rebasedRoutes, sameRoutes } from './route-form.js';

/**
 * @typedef {import('./notifications.js').Routes} Routes
 * @typedef {import('./notifications.js').NotificationRoute} NotificationRoute
 * @typedef {import('./route-form.js').RouteForm} RouteForm
 * @typedef {{version: number, time: string, actor: string, action: string, reason?: string, deleted?: boolean, routes: NotificationRoute[]}} RoutesVersion
 */

/** What the routes are called among the decisions about notifications. */
const name = 'routes';

/**
 * All routes while they are edited, tried and decided.
 *
 * @extends {Draft<Routes, RouteForm[]>}
 */
export class RoutesDraft extends Draft {
  #decisions;
  #signal;

  /**
   * @param {import('./history.js').History} history
   * @param {{onDecided: () => void}} options What to call when something else is decided, here or elsewhere.
   * @param {AbortSignal} signal
   */
  constructor(history, { onDecided }, signal) {
    /** @type {Decisions<{routes: NotificationRoute[]} | {restore: number}, Routes & {name: string}>} */
    const decisions = new Decisions(history, 'notifications');
    /** @type {WeakMap<Routes, RouteForm[]>} */
    const forms = new WeakMap();
    const valueOf = (/** @type {Routes} */ decided) => {
      let found = forms.get(decided);
      if (!found) forms.set(decided, (found = decided.items.map((route) => formOf(route))));
      return found;
    };
    super({ initial: [], valueOf, same: sameRoutes, rebased: rebasedRoutes, read: (asking) => decisions.one(name, asking), onDecided }, signal);
    this.#decisions = decisions;
    this.#signal = signal;
  }

  /** What was typed, as far as it can be read, and what is wrong with it. */
  get typed() {
    return readRoutes(this.value);
  }

  /** Decides what was typed. @param {string} [reason] Why. */
  async save(reason) {
    await this.#put({ routes: this.typed.routes }, reason);
  }

  /**
   * Decides an earlier version again. What was typed is forgotten.
   *
   * @param {number} version
   * @param {string} [reason]
   */
  async restore(version, reason) {
    this.reset();
    await this.#put({ restore: version }, reason);
  }

  /** Goes back to what is configured. What was typed is forgotten. @param {string} [reason] */
  async remove(reason) {
    this.reset();
    await this.decide((version) => this.#decisions.remove(name, version, this.#signal, reason));
  }

  /** Returns what was decided, the newest first. @param {AbortSignal} signal */
  async versions(signal) {
    const { items } = await this.#decisions.versions(name, signal);
    return /** @type {RoutesVersion[]} */ (/** @type {unknown} */ (items));
  }

  /**
   * @param {{routes: NotificationRoute[]} | {restore: number}} body
   * @param {string} [reason]
   */
  async #put(body, reason) {
    await this.decide((version) => this.#decisions.replace(name, { body, version, ...(reason && { reason }) }, this.#signal));
  }
}

// @ts-check
import { basedOn } from './history.js';

/**
 * @template Shown
 * @typedef {Shown & {in_force: boolean}} Decided What was decided last, and whether every processor goes by it.
 */

/**
 * @template Shown
 * @typedef {Shown & {time: string, actor: string, action: string, reason?: string, deleted?: boolean}} DecidedVersion
 */

const json = { 'Content-Type': 'application/json' };

/**
 * @param {string} path
 * @param {string} [reason]
 */
function withReason(path, reason = '') {
  return reason ? `${path}?${new URLSearchParams({ reason })}` : path;
}

/**
 * What people decide about things that have a name and a version, such as rules and maintenance. A change is made if the thing is still of the version that
 * the change is based on; the answer comes once it is in force, or after some seconds. Every method rejects with a HistoryError when the server refuses.
 *
 * @template Body What is decided.
 * @template Shown What the server says of one.
 */
export class Decisions {
  #history;
  #path;

  /**
   * @param {import('./history.js').History} history
   * @param {string} path Where they are below the interface's root.
   */
  constructor(history, path) {
    this.#history = history;
    this.#path = path;
  }

  /**
   * Returns those in force, by name.
   *
   * @param {Record<string, string>} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: Shown[]}>}
   */
  list(query, signal) {
    return this.#history.get(this.#path, query, signal);
  }

  /**
   * @param {string} name
   * @param {AbortSignal} [signal]
   * @returns {Promise<Decided<Shown>>}
   */
  one(name, signal) {
    return this.#history.get(this.#at(name), {}, signal);
  }

  /**
   * Adds one; there must be none of the name.
   *
   * @param {Body & {name: string}} body
   * @param {AbortSignal} [signal]
   * @param {string} [reason] Why, as for the others.
   * @returns {Promise<Decided<Shown>>}
   */
  create(body, signal, reason) {
    return this.#history.ask(withReason(this.#path, reason), { method: 'POST', headers: json, body: JSON.stringify(body), signal: signal ?? null });
  }

  /**
   * @param {string} name
   * @param {{body: Body, version: number, reason?: string}} change Version 0: there must be none of the name.
   * @param {AbortSignal} [signal]
   * @returns {Promise<Decided<Shown>>}
   */
  replace(name, { body, version, reason }, signal) {
    return this.#history.ask(withReason(this.#at(name), reason), { method: 'PUT', headers: { ...json, ...basedOn(version) }, body: JSON.stringify(body), signal: signal ?? null });
  }

  /**
   * @param {string} name
   * @param {number} version
   * @param {AbortSignal} [signal]
   * @param {string} [reason]
   * @returns {Promise<Decided<Shown>>}
   */
  remove(name, version, signal, reason) {
    return this.#history.ask(withReason(this.#at(name), reason), { method: 'DELETE', headers: basedOn(version), signal: signal ?? null });
  }

  /**
   * Does something about one that has an address of its own.
   *
   * @param {string} name
   * @param {{action: string, version: number}} what
   * @param {AbortSignal} [signal]
   * @returns {Promise<Decided<Shown>>}
   */
  act(name, { action, version }, signal) {
    return this.#history.ask(`${this.#at(name)}/${action}`, { method: 'POST', headers: basedOn(version), signal: signal ?? null });
  }

  /**
   * Returns what was decided about one, the newest first.
   *
   * @param {string} name
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: DecidedVersion<Shown>[]}>}
   */
  versions(name, signal) {
    return this.#history.get(`${this.#at(name)}/versions`, {}, signal);
  }

  /** @param {string} name */
  #at(name) {
    return `${this.#path}/${encodeURIComponent(name)}`;
  }
}

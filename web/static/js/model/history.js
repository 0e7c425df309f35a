// @ts-check
import { windowPoint } from './windows.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').Device} Device
 * @typedef {import('./protocol.js').Summary} Summary
 * @typedef {import('./dead-letters.js').DeadLetter} DeadLetter
 * @typedef {import('./dead-letters.js').Resent} Resent
 * @typedef {import('./system.js').System} System
 *
 * @typedef {{timestamp: string, value: number, quality?: string}} Sample
 */

/** A request that the server refused. The message is the server's own. */
export class HistoryError extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   */
  constructor(status, detail) {
    super(detail);
    this.name = 'HistoryError';
    this.status = status;
  }
}

/** Asks the REST interface. Every method rejects with a HistoryError when the server refuses. */
export class History {
  #root;
  #fetch;

  /**
   * @param {string} root Leads from the page to the application's root: empty, or ends with a slash.
   * @param {typeof fetch} [fetcher]
   */
  constructor(root, fetcher = (...request) => fetch(...request)) {
    this.#root = root;
    this.#fetch = fetcher;
  }

  /**
   * Returns the archived windows of a type, merged into steps.
   *
   * @param {{type: string, from: number, step: number}} query From in milliseconds since the epoch, step in seconds.
   * @param {AbortSignal} [signal]
   */
  async windows({ type, from, step }, signal) {
    const query = { type, from: new Date(from).toISOString(), step: `${step}s`, alerts: 'false' };
    const points = [];
    for await (const summary of this.#pages('summaries', query, signal)) {
      const { timestamp, aggregated_data: data } = /** @type {Summary} */ (summary);
      points.push(windowPoint(Date.parse(timestamp), true, data));
    }
    return points;
  }

  /**
   * Returns the newest alerts, open or cleared, oldest event first as live messages have them.
   *
   * @param {number} limit
   * @param {AbortSignal} [signal]
   * @returns {Promise<Alert[]>}
   */
  async alerts(limit, signal) {
    const { items } = await this.#get('alerts', { limit: String(limit) }, signal);
    return items.reverse();
  }

  /**
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<Device & {alerts: Alert[]}>}
   */
  async device(id, signal) {
    return this.#get(`devices/${encodeURIComponent(id)}`, {}, signal);
  }

  /**
   * Returns at most points archived readings of a device since from, oldest first.
   *
   * @param {{id: string, from: number, points: number}} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<Sample[]>}
   */
  async readings({ id, from, points }, signal) {
    const query = { from: new Date(from).toISOString(), max_points: String(points) };
    const { items } = await this.#get(`devices/${encodeURIComponent(id)}/readings`, query, signal);
    return items;
  }

  /**
   * Returns how the programs are doing.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<System>}
   */
  async system(signal) {
    return this.#get('system', {}, signal);
  }

  /**
   * Returns a page of the dead letters, newest first.
   *
   * @param {string} cursor The next of the page before; empty for the newest.
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: DeadLetter[], next?: string, end?: number}>}
   */
  async deadLetters(cursor, signal) {
    return this.#get('dead-letters', cursor ? { cursor } : {}, signal);
  }

  /**
   * Returns a dead letter with its whole value.
   *
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<DeadLetter>}
   */
  async deadLetter(id, signal) {
    return this.#get(`dead-letters/${encodeURIComponent(id)}`, {}, signal);
  }

  /**
   * Sends dead letters again, at most 100 of them, and returns what became of each.
   *
   * @param {string[]} ids
   * @param {AbortSignal} [signal]
   * @returns {Promise<{sent: number, items: Resent[]}>}
   */
  async resend(ids, signal) {
    return this.#ask('dead-letters/resend', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ ids }), signal: signal ?? null,
    });
  }

  /**
   * Goes through a listing page by page.
   *
   * @param {string} path
   * @param {Record<string, string>} query
   * @param {AbortSignal | undefined} signal
   */
  async *#pages(path, query, signal) {
    for (let cursor = ''; ; ) {
      const page = await this.#get(path, cursor ? { ...query, cursor } : query, signal);
      yield* page.items;
      if (!page.next) return;
      cursor = page.next;
    }
  }

  /**
   * @param {string} path
   * @param {Record<string, string>} query
   * @param {AbortSignal} [signal]
   */
  async #get(path, query, signal) {
    return this.#ask(`${path}?${new URLSearchParams(query)}`, { signal: signal ?? null });
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   */
  async #ask(path, request) {
    const response = await this.#fetch(`${this.#root}api/v1/${path}`, request);
    if (response.ok) return response.json();
    const problem = await response.json().catch(() => ({}));
    throw new HistoryError(response.status, problem.detail ?? problem.title ?? response.statusText);
  }
}

// @ts-check
import { windowPoint } from './windows.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').Device} Device
 * @typedef {import('./protocol.js').Summary} Summary
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

/** Asks the REST interface for the past. Every method rejects with a HistoryError when the server refuses. */
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
    const response = await this.#fetch(`${this.#root}api/v1/${path}?${new URLSearchParams(query)}`, { signal: signal ?? null });
    if (response.ok) return response.json();
    const problem = await response.json().catch(() => ({}));
    throw new HistoryError(response.status, problem.detail ?? problem.title ?? response.statusText);
  }
}

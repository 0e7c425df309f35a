// @ts-check
import { windowPoint } from './windows.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').Device} Device
 * @typedef {import('./protocol.js').Summary} Summary
 * @typedef {import('./dead-letters.js').DeadLetter} DeadLetter
 * @typedef {import('./dead-letters.js').Resent} Resent
 * @typedef {import('./system.js').System} System
 * @typedef {import('./sources.js').Source} Source
 * @typedef {import('./sources.js').SourceDetail} SourceDetail
 * @typedef {import('./sources.js').Seen} Seen
 * @typedef {import('./source-rules.js').Rule} Rule
 * @typedef {import('./source-map.js').SourceMap} SourceMap
 * @typedef {import('./source-map.js').MapVersion} MapVersion
 * @typedef {import('./device-list.js').DeviceQuery} DeviceQuery
 * @typedef {import('./device-list.js').ListedDevice} ListedDevice
 * @typedef {import('./device-list.js').Registered} Registered
 * @typedef {import('./entry.js').Patch} Patch
 * @typedef {import('./areas.js').Area} Area
 * @typedef {import('./device-list.js').Entry} Entry
 *
 * @typedef {object} Imported What an import has changed, or would change.
 * @property {boolean} dry_run
 * @property {number} rows
 * @property {number} changed
 * @property {boolean} in_force
 * @property {{device_id: string, before?: Entry, after: Entry}[]} items The first ones.
 * @property {boolean} [truncated]
 *
 * @typedef {object} ChangedMany What a change of many entries has done.
 * @property {number} changed
 * @property {boolean} in_force
 * @property {{device_id: string, after: Registered}[]} items The first 1000.
 *
 * @typedef {{actor: string, time: string, version: number, before?: Entry, after?: Entry}} Decision
 *
 * @typedef {import('./alert-actions.js').AlertAction} AlertAction
 * @typedef {import('./alert-actions.js').AlertDecision} AlertDecision
 *
 * @typedef {object} HandledAlerts What came of an action about alerts.
 * @property {boolean} waiting It is not known of all what came of it.
 * @property {{id: string, done: boolean, refused?: Refusal, remains?: string, error?: string, alert?: Alert}[]} items Error is why nothing was tried, such as that there is no such alert.
 *
 * @typedef {{reason: string, by?: string, at?: string}} Refusal Why the processor has not done something, and who was faster, and when.
 *
 * @typedef {object} AlertEvent One event in the story of an alert.
 * @property {import('./protocol.js').Transition | 'noted'} state Noted: something was said of it when it was over, or nobody has to acknowledge it any more.
 * @property {import('./protocol.js').LifeState} alarm_state
 * @property {string} timestamp
 * @property {number} current_value
 * @property {string} [reason]
 * @property {'shelved' | 'out_of_service' | 'by_design' | 'by_parent'} [suppressed]
 * @property {string} [suppressed_until]
 * @property {string} [suppressed_by] Who has shelved it, or the name of the maintenance, or the id of the parent; absent in events of before.
 * @property {string} [suppressed_reason]
 * @property {string} [suppressed_actor]
 * @property {string} [actor]
 * @property {string} [comment]
 *
 * @typedef {{message: string, location?: string, value?: unknown}} Mistake
 *
 * @typedef {{timestamp: string, value: number, quality?: string}} Sample
 * @typedef {object} DeviceRule A rule in force that watches a device.
 * @property {string} alert_type
 * @property {import('./protocol.js').Severity} severity
 * @property {string} kind That of its condition.
 * @property {number} [threshold] The one that holds for the device.
 * @property {number} [usual_threshold] That of the rule, if the device has its own.
 * @property {boolean} [below]
 * @typedef {Partial<Device> & {device_id: string, area?: string, display?: import('./display.js').Display, registered?: Registered, alerts: Alert[], alert_rules?: DeviceRule[]}} DeviceDetail
 *   One that has never sent has an entry alone.
 */

/** A request that the server refused. The message is the server's own. */
export class HistoryError extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {object} [more]
   * @param {Mistake[]} [more.mistakes] What is wrong with the request, one by one.
   * @param {number} [more.version] The version of the registry entry that the server has, 0 if it does not say.
   * @param {boolean} [more.busy] The database is busy with other changes.
   * @param {number} [more.made] How many devices, the first ones, are changed, if not all are.
   */
  constructor(status, detail, { mistakes = [], version = 0, busy = false, made = 0 } = {}) {
    super(detail);
    this.name = 'HistoryError';
    this.status = status;
    this.mistakes = mistakes;
    this.version = version;
    this.busy = busy;
    this.made = made;
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
    const { items } = await this.get('alerts', { limit: String(limit) }, signal);
    return items.reverse();
  }

  /**
   * Returns the alerts that have cleared and that nobody has acknowledged, oldest event first, at most so many.
   *
   * @param {number} most
   * @param {AbortSignal} [signal]
   */
  async returnedAlerts(most, signal) {
    /** @type {Alert[]} */
    const found = [];
    for await (const alert of this.#pages('alerts', { state: 'returned', limit: '1000' }, signal)) {
      if (found.push(/** @type {Alert} */ (alert)) >= most) break;
    }
    return found.reverse();
  }

  /**
   * Returns a page of alerts, newest onset first.
   *
   * @param {Record<string, string>} query As the interface names what narrows them; what is empty does not.
   * @param {{cursor: string, limit: number}} page The cursor is the next of the page before; empty for the newest.
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: Alert[], next?: string}>}
   */
  async alertPage(query, { cursor, limit }, signal) {
    const given = Object.entries({ ...query, cursor }).filter(([, value]) => value);
    return this.get('alerts', { ...Object.fromEntries(given), limit: String(limit) }, signal);
  }

  /**
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<Alert>}
   */
  async alert(id, signal) {
    return this.get(`alerts/${encodeURIComponent(id)}`, {}, signal);
  }

  /**
   * Returns what became of an alert, oldest first.
   *
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: AlertEvent[]}>}
   */
  async alertEvents(id, signal) {
    return this.get(`alerts/${encodeURIComponent(id)}/events`, {}, signal);
  }

  /**
   * Does the same about alerts, once however often it is sent with the same key, and returns what came of it for each.
   *
   * @param {string[]} ids
   * @param {AlertAction} action
   * @param {{key: string, body: AlertDecision}} how
   * @param {AbortSignal} [signal]
   * @returns {Promise<HandledAlerts>}
   */
  async handleAlerts(ids, action, { key, body }, signal) {
    const response = await this.#send('alerts/actions', {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key }, body: JSON.stringify({ action, ids, ...body }), signal: signal ?? null,
    });
    return { ...(await response.json()), waiting: response.status === 202 };
  }

  /**
   * Returns a part of the devices that match, in the order of the query, and how many match.
   *
   * @param {DeviceQuery} query
   * @param {{offset: number, limit: number}} part
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: ListedDevice[], total: number}>}
   */
  async devices(query, { offset, limit }, signal) {
    const { status, ...others } = query;
    const wanted = status === 'alerting' ? { has_open_alerts: 'true' } : status === 'retired' ? { retired: 'true' } : { status };
    const given = Object.entries({ ...others, ...wanted }).filter(([, value]) => value);
    return this.get('devices', { ...Object.fromEntries(given), never_sent: 'true', offset: String(offset), limit: String(limit) }, signal);
  }

  /**
   * Returns the areas of the plant as a tree.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<Area>}
   */
  async areas(signal) {
    return this.get('areas', {}, signal);
  }

  /**
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<DeviceDetail>}
   */
  async device(id, signal) {
    return this.get(`devices/${encodeURIComponent(id)}`, {}, signal);
  }

  /**
   * Returns at most points archived readings of a device since from, and until to if that is given, oldest first.
   *
   * @param {{id: string, from: number, to?: number, points: number}} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<Sample[]>}
   */
  async readings({ id, from, to, points }, signal) {
    const query = { from: new Date(from).toISOString(), ...(to !== undefined && { to: new Date(to).toISOString() }), max_points: String(points) };
    const { items } = await this.get(`devices/${encodeURIComponent(id)}/readings`, query, signal);
    return items;
  }

  /**
   * Changes what people have decided about a device, if its entry is still of the version that the change is based on.
   *
   * @param {string} id
   * @param {{patch: Patch, version: number}} change Version 0: the device must have no entry.
   * @param {AbortSignal} [signal]
   * @returns {Promise<Registered & {in_force: boolean}>}
   */
  async changeEntry(id, { patch, version }, signal) {
    const headers = { 'Content-Type': 'application/merge-patch+json', ...basedOn(version) };
    return this.ask(`devices/${encodeURIComponent(id)}`, { method: 'PATCH', headers, body: JSON.stringify(patch), signal: signal ?? null });
  }

  /**
   * Changes the entries of many devices in the same way, all or none. A device without a version is changed whatever its version is.
   *
   * @param {{devices: {id: string, version?: number}[], patch: Patch}} change
   * @param {AbortSignal} [signal]
   * @returns {Promise<ChangedMany>}
   */
  async changeEntries({ devices, patch }, signal) {
    const body = JSON.stringify({ devices: devices.map(({ id, version }) => ({ device_id: id, version })), patch });
    return this.ask('devices', { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body, signal: signal ?? null });
  }

  /**
   * Returns the last decision about a device; undefined if there is none.
   *
   * @param {string} device
   * @param {AbortSignal} [signal]
   * @returns {Promise<Decision | undefined>}
   */
  async lastDecision(device, signal) {
    const { items } = await this.get('audit', { device, limit: '1' }, signal);
    return items[0];
  }

  /**
   * Changes registry entries by a table. All rows are checked first; if it ends early all the same, the error has made.
   *
   * @param {Blob} table CSV.
   * @param {{dryRun: boolean}} how A dry run only answers with what would change.
   * @param {AbortSignal} [signal]
   * @returns {Promise<Imported>}
   */
  async importEntries(table, { dryRun }, signal) {
    return this.ask(`registry?dry_run=${dryRun}`, { method: 'POST', headers: { 'Content-Type': 'text/csv' }, body: table, signal: signal ?? null });
  }

  /**
   * Has a device forgotten, and returns whether it is gone already.
   *
   * @param {string} id
   * @param {AbortSignal} [signal]
   */
  async forget(id, signal) {
    const { status } = await this.#send(`devices/${encodeURIComponent(id)}`, { method: 'DELETE', signal: signal ?? null });
    return status === 204;
  }

  /**
   * Returns a page of the alerts of a device that are cleared, newest first.
   *
   * @param {string} device
   * @param {{cursor: string, limit: number}} page The cursor is the next of the page before; empty for the newest.
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: Alert[], next?: string}>}
   */
  async pastAlerts(device, { cursor, limit }, signal) {
    return this.get('alerts', { device, state: 'cleared', limit: String(limit), ...(cursor && { cursor }) }, signal);
  }

  /**
   * The key figures of alarm management.
   *
   * @param {{days: number, operators: number}} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<import('./kpis.js').Kpis>}
   */
  kpis({ days, operators }, signal) {
    return this.get('alerts/kpis', { from: `-${days}d`, operators: String(operators) }, signal);
  }

  /**
   * Returns how the programs are doing.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<System>}
   */
  async system(signal) {
    return this.get('system', {}, signal);
  }

  /**
   * Returns where readings come from, by name.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<{timestamp: string, items: Source[]}>}
   */
  async sources(signal) {
    return this.get('sources', {}, signal);
  }

  /**
   * @param {string} name
   * @param {AbortSignal} [signal]
   * @returns {Promise<SourceDetail>}
   */
  async source(name, signal) {
    return this.get(`sources/${encodeURIComponent(name)}`, {}, signal);
  }

  /**
   * Returns what a source receives, and what that becomes by the rules of its map.
   *
   * @param {string} name
   * @param {AbortSignal} [signal]
   * @returns {Promise<Seen>}
   */
  async seen(name, signal) {
    return this.get(`sources/${encodeURIComponent(name)}/seen`, {}, signal);
  }

  /**
   * Returns what a source receives, and what that would become by other rules.
   *
   * @param {string} name
   * @param {Rule[]} rules
   * @param {AbortSignal} [signal]
   * @returns {Promise<Seen>}
   */
  async tryRules(name, rules, signal) {
    return this.ask(`sources/${encodeURIComponent(name)}/try`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ rules }), signal: signal ?? null,
    });
  }

  /**
   * Returns the map of a source that was decided last, or else that of the configuration.
   *
   * @param {string} name
   * @param {AbortSignal} [signal]
   * @returns {Promise<SourceMap>}
   */
  async sourceMap(name, signal) {
    return this.get(`sources/${encodeURIComponent(name)}/map`, {}, signal);
  }

  /**
   * Decides the map of a source, if it is still of the version that the decision is based on. The answer comes once it is in force, or
   * after some seconds.
   *
   * @param {string} name
   * @param {{rules: Rule[]} | {restore: number}} change The rules, or the version whose rules are decided again.
   * @param {number} version 0: nobody may have decided anything.
   * @param {AbortSignal} [signal]
   * @returns {Promise<SourceMap>}
   */
  async changeMap(name, change, version, signal) {
    const headers = { 'Content-Type': 'application/json', ...basedOn(version) };
    return this.ask(`sources/${encodeURIComponent(name)}/map`, { method: 'PUT', headers, body: JSON.stringify(change), signal: signal ?? null });
  }

  /**
   * Takes back what was decided about the map of a source.
   *
   * @param {string} name
   * @param {number} version
   * @param {AbortSignal} [signal]
   * @returns {Promise<SourceMap>}
   */
  async deleteMap(name, version, signal) {
    return this.ask(`sources/${encodeURIComponent(name)}/map`, { method: 'DELETE', headers: basedOn(version), signal: signal ?? null });
  }

  /**
   * Returns what was decided about the map of a source, the newest first.
   *
   * @param {string} name
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: MapVersion[]}>}
   */
  async mapVersions(name, signal) {
    return this.get(`sources/${encodeURIComponent(name)}/map/versions`, {}, signal);
  }

  /**
   * Returns a page of the dead letters, newest first.
   *
   * @param {string} cursor The next of the page before; empty for the newest.
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: DeadLetter[], next?: string, end?: number}>}
   */
  async deadLetters(cursor, signal) {
    return this.get('dead-letters', cursor ? { cursor } : {}, signal);
  }

  /**
   * Returns a dead letter with its whole value.
   *
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<DeadLetter>}
   */
  async deadLetter(id, signal) {
    return this.get(`dead-letters/${encodeURIComponent(id)}`, {}, signal);
  }

  /**
   * Sends dead letters again, at most 100 of them, and returns what became of each.
   *
   * @param {string[]} ids
   * @param {AbortSignal} [signal]
   * @returns {Promise<{sent: number, items: Resent[]}>}
   */
  async resend(ids, signal) {
    return this.ask('dead-letters/resend', {
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
      const page = await this.get(path, cursor ? { ...query, cursor } : query, signal);
      yield* page.items;
      if (!page.next) return;
      cursor = page.next;
    }
  }

  /**
   * Asks for what has a module of its own.
   *
   * @param {string} path Below the interface's root.
   * @param {Record<string, string>} query
   * @param {AbortSignal} [signal]
   */
  async get(path, query, signal) {
    return this.ask(`${path}?${new URLSearchParams(query)}`, { signal: signal ?? null });
  }

  /**
   * Sends a request, and returns what the answer holds.
   *
   * @param {string} path
   * @param {RequestInit} request
   */
  async ask(path, request) {
    return (await this.#send(path, request)).json();
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   */
  async #send(path, request) {
    const response = await this.#fetch(`${this.#root}api/v1/${path}`, request);
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    const version = Number(response.headers?.get('ETag')?.replaceAll('"', '') ?? 0) || 0;
    throw new HistoryError(response.status, problem.detail ?? problem.title ?? response.statusText, {
      mistakes: problem.errors ?? [], version, busy: problem.busy ?? false, made: problem.made ?? 0,
    });
  }
}

/**
 * The condition that what is changed is still of a version.
 *
 * @param {number} version 0: there must be nothing.
 * @returns {Record<string, string>}
 */
export function basedOn(version) {
  return version > 0 ? { 'If-Match': `"${version}"` } : { 'If-None-Match': '*' };
}

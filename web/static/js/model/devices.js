// @ts-check
import { Store } from './store.js';

/**
 * @typedef {import('./protocol.js').Device} Device
 * @typedef {import('./protocol.js').StatusChange} StatusChange
 *
 * @typedef {object} DeviceFilter What is empty does not narrow.
 * @property {string} type
 * @property {string} building
 * @property {'' | import('./protocol.js').Status} status
 * @property {string} query A part of the id, in either case.
 *
 * @typedef {object} DeviceChange
 * @property {Device[]} [arrived] Those that brought a new reading or a new status, oldest first.
 * @property {Set<string>} [removed] Those that are no more.
 * @property {boolean} [cleared] that all are forgotten, and the server is about to send them anew.
 */

/**
 * Returns what the server knows of a device if it has ever sent, otherwise null.
 *
 * @param {Partial<Device>} device
 * @returns {Device | null}
 */
export function withReading(device) {
  return device.timestamp === undefined ? null : /** @type {Device} */ (device);
}

/** @type {Readonly<DeviceFilter>} */
export const everyDevice = Object.freeze({ type: '', building: '', status: '', query: '' });

/**
 * @param {DeviceFilter} filter
 * @param {Device} device
 */
export function matches(filter, device) {
  return (
    (!filter.type || device.device_type === filter.type) &&
    (!filter.building || device.location?.building === filter.building) &&
    (!filter.status || device.status === filter.status) &&
    (!filter.query || device.device_id.toLowerCase().includes(filter.query.toLowerCase()))
  );
}

/**
 * Holds the latest of every device.
 *
 * @extends {Store<DeviceChange>}
 */
export class DeviceStore extends Store {
  /** @type {Map<string, Device>} */
  #devices = new Map();
  /** @type {Set<string>} */
  #buildings = new Set();

  get size() {
    return this.#devices.size;
  }

  /** The buildings that devices have been seen in. */
  get buildings() {
    return this.#buildings;
  }

  clear() {
    this.#devices.clear();
    this.#buildings.clear();
    this.changed({ cleared: true });
  }

  /**
   * Forgets devices that are no more.
   *
   * @param {Set<string>} ids
   */
  remove(ids) {
    for (const id of ids) this.#devices.delete(id);
    this.changed({ removed: ids });
  }

  /** @param {string} id */
  get(id) {
    return this.#devices.get(id);
  }

  /**
   * Adds devices and returns those with a new reading or a new status. Older data, such as a snapshot that comes after a change,
   * is ignored. RFC 3339 in UTC with the server's trimmed fractions does not
   * sort as text, hence the parsing.
   *
   * @param {Device[]} devices
   * @returns {Device[]}
   */
  apply(devices) {
    const news = [];
    for (const device of devices) {
      const known = this.#devices.get(device.device_id);
      const age = known ? Date.parse(device.timestamp) - Date.parse(known.timestamp) : 1;
      if (age < 0) continue;
      this.#devices.set(device.device_id, device);
      if (device.location?.building) this.#buildings.add(device.location.building);
      if (age > 0 || known?.status !== device.status) news.push(device);
    }
    if (news.length > 0) this.changed({ arrived: news });
    return news;
  }

  /**
   * Notes that devices went online or offline, and returns them as they are now.
   *
   * @param {StatusChange[]} changes
   * @returns {Device[]}
   */
  applyChanges(changes) {
    const changed = [];
    for (const { device_id: id, status, since } of changes) {
      const known = this.#devices.get(id);
      if (!known || known.status === status) continue;
      const device = { ...known, status, since };
      this.#devices.set(id, device);
      changed.push(device);
    }
    if (changed.length > 0) this.changed({ arrived: changed });
    return changed;
  }

  /**
   * Returns the devices that match, the one with the newest reading first, at most limit.
   *
   * @param {DeviceFilter} filter
   * @param {number} limit
   * @returns {Device[]}
   */
  newest(filter, limit) {
    const found = [];
    for (const device of this.#devices.values()) {
      if (matches(filter, device)) found.push({ device, time: Date.parse(device.timestamp) });
    }
    found.sort((a, b) => b.time - a.time);
    return found.slice(0, limit).map(({ device }) => device);
  }
}

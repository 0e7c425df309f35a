// @ts-check

/**
 * @typedef {import('../../app/address.js').Address} Address
 * @typedef {import('../../model/devices.js').DeviceFilter} DeviceFilter
 */

/**
 * Returns the filter of the list of readings that the address names.
 *
 * @param {Address} address
 * @returns {DeviceFilter}
 */
export function addressedFilter(address) {
  const status = address.get('status');
  return {
    type: address.get('type'),
    building: address.get('building'),
    status: status === 'online' || status === 'offline' ? status : '',
    query: address.get('search'),
  };
}

/**
 * Returns the query of an address that names the filter.
 *
 * @param {DeviceFilter} filter
 */
export function inAddress({ type, building, status, query }) {
  return { type, building, status, search: query };
}

/**
 * Returns the filter with a change; a value that it has already is removed from it.
 *
 * @param {DeviceFilter} filter
 * @param {Partial<DeviceFilter>} change
 * @returns {DeviceFilter}
 */
export function toggled(filter, change) {
  const next = { ...filter };
  for (const [name, value] of Object.entries(change)) {
    const key = /** @type {keyof DeviceFilter} */ (name);
    Object.assign(next, { [key]: filter[key] === value ? '' : value });
  }
  return next;
}

/**
 * @param {DeviceFilter} a
 * @param {DeviceFilter} b
 */
export function sameFilter(a, b) {
  return a.type === b.type && a.building === b.building && a.status === b.status && a.query === b.query;
}

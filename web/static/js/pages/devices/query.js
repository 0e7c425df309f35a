// @ts-check

/**
 * @typedef {import('../../app/address.js').Address} Address
 * @typedef {import('../../model/device-list.js').DeviceQuery} DeviceQuery
 */

/** What devices can be ordered by, as the server calls it. */
const orders = ['id', 'name', 'type', 'value', 'status', 'area', 'last_seen'];

const statuses = /** @type {const} */ (['online', 'offline', 'never_sent', 'alerting', 'retired']);

/** What narrows the list, by the names in the address. */
export const noFilter = Object.freeze({ type: '', area: '', status: '', label: '', search: '' });

/**
 * Returns what the address asks for.
 *
 * @param {Address} address
 * @returns {DeviceQuery}
 */
export function addressedQuery(address) {
  const [sort, status] = [address.get('sort'), address.get('status')];
  return {
    type: address.get('type'),
    area: address.get('area'),
    status: statuses.find((one) => one === status) ?? '',
    label: address.get('label'),
    q: address.get('search'),
    sort: orders.includes(sort) ? sort : 'id',
    order: address.get('order') === 'desc' ? 'desc' : 'asc',
  };
}

/**
 * Returns the change of the address that orders by a column, or the other way round if that is the order already.
 *
 * @param {DeviceQuery} query
 * @param {string} by
 */
export function ordered({ sort, order }, by) {
  const descending = sort === by && order === 'asc';
  return { sort: by === 'id' ? '' : by, order: descending ? 'desc' : '' };
}

/** Whether something narrows the list. @param {DeviceQuery} query */
export function narrows({ type, area, status, label, q }) {
  return Boolean(type || area || status || label || q);
}

/** Whether what devices are ordered by changes with each reading. @param {DeviceQuery} query */
export function restless({ sort, status }) {
  return ['value', 'status', 'last_seen'].includes(sort) || status !== '';
}

/** @param {DeviceQuery} a @param {DeviceQuery | null} b */
export function sameQuery(a, b) {
  return b !== null && Object.entries(a).every(([name, value]) => b[/** @type {keyof DeviceQuery} */ (name)] === value);
}

/**
 * Whether two queries select other devices; they may order them differently.
 *
 * @param {DeviceQuery} a
 * @param {DeviceQuery} b
 */
export function filtersDiffer(a, b) {
  return !sameQuery({ ...a, sort: '', order: 'asc' }, { ...b, sort: '', order: 'asc' });
}

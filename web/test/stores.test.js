// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlertStore } from '../static/js/model/alerts.js';
import { DeviceStore, everyDevice, matches } from '../static/js/model/devices.js';
import { ReadingLog } from '../static/js/model/reading-log.js';

/**
 * @typedef {import('../static/js/model/protocol.js').Device} Device
 * @typedef {import('../static/js/model/protocol.js').Alert} Alert
 */

/**
 * @param {string} id
 * @param {number} second
 * @param {Partial<Device>} [more]
 * @returns {Device}
 */
function device(id, second, more = {}) {
  const timestamp = new Date(Date.UTC(2026, 2, 1, 12, 0, second)).toISOString();
  return { device_id: id, device_type: 'temperature_sensor', timestamp, value: 20, status: 'online', since: timestamp, open_alerts: 0, ...more };
}

/**
 * @param {string} id
 * @param {number} second
 * @param {Partial<Alert>} [more]
 * @returns {Alert}
 */
function alert(id, second, more = {}) {
  const timestamp = new Date(Date.UTC(2026, 2, 1, 12, 0, second)).toISOString();
  return {
    id, device_id: 'd', device_type: 'temperature_sensor', alert_type: 'temperature_high', severity: 'warning', state: 'raised',
    message: '', current_value: 29, threshold: 28, onset: timestamp, timestamp, ...more,
  };
}

test('a device keeps its newest reading, whatever comes after it', () => {
  const store = new DeviceStore();
  assert.equal(store.apply([device('a', 5)]).length, 1);
  assert.equal(store.apply([device('a', 4, { value: 1 })]).length, 0);
  assert.equal(store.get('a')?.value, 20);
  assert.equal(store.apply([device('a', 5)]).length, 0, 'the same again is no news');
  assert.equal(store.apply([device('a', 5, { status: 'offline' })]).length, 1, 'a new status is');
  assert.equal(store.size, 1);
});

test('times are compared as times: a trimmed fraction sorts before its text', () => {
  const store = new DeviceStore();
  store.apply([device('a', 0, { timestamp: '2026-03-01T12:00:00.5Z', value: 1 })]);
  store.apply([device('a', 0, { timestamp: '2026-03-01T12:00:00.49Z', value: 2 })]);
  assert.equal(store.get('a')?.value, 1);
});

test('a change of status is applied once, and to known devices only', () => {
  const store = new DeviceStore();
  store.apply([device('a', 1)]);
  const change = { device_id: 'a', status: /** @type {const} */ ('offline'), since: '2026-03-01T12:00:20Z' };
  assert.deepEqual(store.applyChanges([change, { ...change, device_id: 'b' }]).map((d) => [d.device_id, d.status]), [['a', 'offline']]);
  assert.deepEqual(store.applyChanges([change]), []);
  assert.equal(store.get('b'), undefined);
});

test('a filter joins its parts by and, and an id by any part of it', () => {
  const one = device('Press-07', 1, { location: { building: 'A栋' }, status: 'offline' });
  const filters = [{ type: 'temperature_sensor' }, { building: 'A栋' }, { status: /** @type {const} */ ('offline') }, { query: 'ss-0' }];
  for (const filter of filters) assert.ok(matches({ ...everyDevice, ...filter }, one), JSON.stringify(filter));
  for (const filter of [{ type: 'switch_sensor' }, { building: 'B栋' }, { status: /** @type {const} */ ('online') }, { query: '7-' }]) {
    assert.ok(!matches({ ...everyDevice, ...filters[0], ...filter }, one), JSON.stringify(filter));
  }
});

test('the newest devices come first, and no more than asked for', () => {
  const store = new DeviceStore();
  store.apply([device('a', 1), device('b', 3), device('c', 2)]);
  assert.deepEqual(store.newest(everyDevice, 2).map((d) => d.device_id), ['b', 'c']);
});

test('an alert is raised once and cleared once, and a late event does not reopen it', () => {
  const store = new AlertStore();
  assert.equal(store.apply([alert('x', 1)]).length, 1);
  assert.equal(store.apply([alert('x', 1)]).length, 0);
  assert.deepEqual(store.counts(), { critical: 0, warning: 1, info: 0 });
  assert.equal(store.apply([alert('x', 9, { state: 'cleared' })]).length, 1);
  assert.equal(store.apply([alert('x', 10, { state: 'updated' })]).length, 0);
  assert.equal(store.openCount, 0);
  assert.deepEqual(store.list({ openOnly: false, severity: '' }).map((a) => a.state), ['cleared']);
  assert.deepEqual(store.list({ openOnly: true, severity: '' }), []);
});

test('open alerts are listed before cleared ones, the most urgent first, then the newest', () => {
  const store = new AlertStore();
  store.apply([alert('x', 1), alert('y', 2, { severity: 'critical' }), alert('z', 3), alert('x', 4, { state: 'cleared' })]);
  assert.deepEqual(store.list({ openOnly: false, severity: '' }).map((a) => a.id), ['y', 'z', 'x']);
  assert.deepEqual(store.list({ openOnly: false, severity: 'critical' }).map((a) => a.id), ['y']);
  assert.equal(store.worst(), 'critical');
  assert.deepEqual(store.openOf('d').map((a) => a.id), ['y', 'z']);
});

test('cleared alerts are forgotten in the end, open ones never', () => {
  const store = new AlertStore();
  for (let i = 0; i < 500; i++) store.apply([alert(`c${i}`, i, { state: 'cleared' }), alert(`o${i}`, i)]);
  assert.equal(store.openCount, 500);
  assert.equal(store.list({ openOnly: false, severity: '' }).length, 700);
});

test('the log keeps the newest readings that match', () => {
  const log = new ReadingLog(3);
  log.restart({ ...everyDevice, query: 'a' }, []);
  log.add([device('a1', 1), device('b', 2), device('a2', 3), device('a3', 4), device('a4', 5)]);
  assert.equal(log.rows.length, 0, 'nothing moves before it is released');
  assert.equal(log.missed, 4);
  assert.equal(log.release(() => undefined), 3);
  assert.deepEqual(log.rows.map((d) => d.device_id), ['a4', 'a3', 'a2']);
  assert.equal(log.missed, 0);
});

test('a log that is held for long stays small', () => {
  const log = new ReadingLog(10);
  for (let i = 0; i < 1000; i++) log.add([device(`d${i}`, i)]);
  assert.equal(log.missed, 1000);
  assert.equal(log.release(() => undefined), 10);
  assert.equal(log.rows[0]?.device_id, 'd999');
});

test('with a status asked for, a device is listed once and only while it has it', () => {
  const store = new DeviceStore();
  const log = new ReadingLog(10);
  store.apply([device('a', 1, { status: 'offline' }), device('b', 2, { status: 'offline' })]);
  log.restart({ ...everyDevice, status: 'offline' }, store.newest(everyDevice, 10));
  log.add(store.apply([device('a', 3), device('b', 4, { status: 'offline' })]));
  log.release((id) => store.get(id));
  assert.deepEqual(log.rows.map((d) => [d.device_id, d.timestamp.slice(17, 19)]), [['b', '04']]);
});

test('devices that were forgotten are gone with their open alerts and their rows, until they send again', () => {
  const [devices, alerts, log] = [new DeviceStore(), new AlertStore(), new ReadingLog(3)];
  const all = ['a', 'b', 'c'].map((id, i) => device(id, i));
  devices.apply(all);
  log.add(all);
  log.release((id) => devices.get(id));
  log.add([device('a', 9)]);
  alerts.apply([alert('1', 1, { device_id: 'a' }), alert('2', 1, { device_id: 'b' })]);
  const gone = new Set(['a', 'unknown']);
  devices.remove(gone);
  alerts.removeOf(gone);
  log.remove(gone);
  assert.equal(devices.size, 2);
  assert.deepEqual(alerts.list({ openOnly: true, severity: '' }).map(({ id }) => id), ['2']);
  assert.deepEqual(log.rows.map(({ device_id: id }) => id), ['c', 'b']);
  assert.equal(log.missed, 0);
  assert.equal(devices.apply([device('a', 0)]).length, 1, 'it is a new device, however old its reading');
});

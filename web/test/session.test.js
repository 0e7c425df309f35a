// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Address } from '../static/js/app/address.js';
import { Appearance } from '../static/js/app/appearance.js';
import { Session } from '../static/js/app/session.js';
import { Store } from '../static/js/model/store.js';

/** A WebSocket whose server is the test. */
class FakeSocket {
  /** @type {FakeSocket | undefined} */
  static newest;
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {(() => void) | null} */
  onclose = null;
  #seq = 0;

  constructor() {
    FakeSocket.newest = this;
  }

  close() {}

  /** @param {object} message */
  send(message) {
    this.onmessage?.({ data: JSON.stringify({ seq: ++this.#seq, timestamp: '2026-01-01T00:00:10Z', ...message }) });
  }

  greet(more = {}) {
    const spec = { name: 'oven', unit: '°C', decimals: 1, min: 0, max: 100, labels: { en: 'Oven' } };
    this.send({ type: 'hello', session: 's-1', server_version: '1', resumed: false, window_seconds: 30, device_types: [spec], ...more });
  }
}

/** @type {string[]} */
let asked = [];
/** How the server answers. @type {() => Promise<object>} */
let answer = async () => ({ items: [] });
let steady = 0;
/** @type {Session} */
let session;

beforeEach((t) => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  asked = [];
  answer = async () => ({ items: [] });
  steady = 0;
  const preferences = /** @type {import('../static/js/app/preferences.js').Preferences} */ ({ language: 'en', theme: 'auto', deviceType: '', range: 'live' });
  session = new Session({
    root: new URL('http://plant/'),
    webSocketPath: '/ws',
    preferences,
    appearance: new Appearance(preferences),
    address: new Address({ location: { pathname: '/', search: '' }, history: { state: null, pushState() {}, replaceState() {} } }),
    WebSocket: /** @type {any} */ (FakeSocket),
    fetch: /** @type {any} */ (async (/** @type {string} */ url) => {
      asked.push(String(url));
      return { ok: true, json: answer };
    }),
    clocks: () => ({ wall: steady, steady }),
    local: () => steady,
  });
  session.start();
  if ('after' in t) t.after(() => session.end());
});

const server = () => /** @type {FakeSocket} */ (FakeSocket.newest);
const device = (/** @type {string} */ id, more = {}) =>
  ({ device_id: id, device_type: 'oven', timestamp: '2026-01-01T00:00:09Z', value: 20, status: 'online', since: '2026-01-01T00:00:00Z', open_alerts: 0, ...more });

/** What a store says of its changes. @template C @param {Store<C>} store */
function follow(store) {
  /** @type {C[]} */
  const changes = [];
  const stopping = new AbortController();
  store.subscribe((change) => changes.push(change), stopping);
  return { changes, end: () => stopping.abort() };
}

test('messages fill the stores, which announce the changes', () => {
  const devices = follow(session.devices);
  const alerts = follow(session.alerts);
  server().greet();
  assert.deepEqual([...session.plant.specs.keys()], ['oven']);
  server().send({ type: 'device_data', snapshot: true, devices: [device('a')] });
  assert.equal(session.latency.quantiles(), null, 'a snapshot says nothing of the latency');
  server().send({ type: 'device_data', devices: [device('b')] });
  assert.deepEqual(session.latency.quantiles(), { p50: 1000, p95: 1000 });
  const raised = { id: '1', device_id: 'a', device_type: 'oven', severity: 'warning', state: 'raised', timestamp: '2026-01-01T00:00:09Z' };
  server().send({ type: 'alert', alerts: [raised] });
  server().send({ type: 'device_removed', device_ids: ['a'] });
  assert.deepEqual(devices.changes.map((change) => Object.keys(change).join()), ['cleared', 'arrived', 'arrived', 'removed']);
  assert.deepEqual(alerts.changes.map(({ news }) => news.length), [0, 1, 0]);
  assert.equal(session.alerts.openCount, 0, 'a device that is no more has no alerts');
});

test('a follower is not called after its signal has ended', () => {
  const devices = follow(session.devices);
  server().greet();
  const { version } = session.devices;
  devices.end();
  server().send({ type: 'device_data', devices: [device('a')] });
  assert.equal(devices.changes.length, 1);
  assert.ok(session.devices.version > version);
  session.devices.subscribe(() => assert.fail('called after the end'), { signal: AbortSignal.abort() });
  server().send({ type: 'device_data', devices: [device('b')] });
});

test('another run of the server is all there is, a resumed connection goes on', () => {
  server().greet();
  server().send({ type: 'device_data', devices: [device('a')] });
  server().greet({ resumed: true, server_version: '2' });
  assert.equal(session.devices.size, 1);
  assert.equal(session.plant.serverVersion, '2');
  server().greet();
  assert.equal(session.devices.size, 0);
});

test('device types that people decide are known while the page is open', () => {
  const plant = follow(session.plant);
  server().greet();
  const known = [...session.plant.specs.keys()];
  const before = plant.changes.length;
  server().send({ type: 'device_types', device_types: [...session.plant.specs.values(), { name: 'flow_sensor', unit: 'L/min', decimals: 1, min: 0, max: 400, labels: { en: 'Flow' } }] });
  assert.deepEqual([...session.plant.specs.keys()], [...known, 'flow_sensor']);
  assert.equal(session.plant.specs.get('flow_sensor')?.unit, 'L/min');
  assert.equal(plant.changes.length, before + 1);
});

test('answers of the archive are outdated by corrections and by an interruption', () => {
  const archive = follow(session.archive);
  server().greet();
  server().send({ type: 'history_changed' });
  assert.equal(archive.changes.length, 1);
  steady = 20_000;
  server().send({ type: 'history_changed' });
  assert.equal(archive.changes.length, 3, 'for the message, and because others may have been missed');
});

/** Lets promises go on. */
const turn = () => new Promise((done) => setImmediate(done));

test('a question that failed is asked again by itself: after a pause, and at once when the connection is back', async () => {
  server().greet();
  await turn();
  answer = () => Promise.reject(new Error('away'));
  /** @type {string[]} */
  const answers = [];
  const request = session.ask((signal) => session.history.alerts(1, signal), () => answers.push('answered'), new AbortController().signal);
  asked = [];
  request.load();
  await turn();
  assert.equal(request.phase, 'failed');
  steady += 4_000;
  mock.timers.tick(1000);
  assert.equal(asked.length, 1, 'not yet');
  steady += 1_000;
  mock.timers.tick(1000);
  await turn();
  assert.equal(asked.length, 2);
  assert.equal(request.phase, 'failed', 'and not loading: what is said stays');
  server().onclose?.();
  steady += 60_000;
  mock.timers.tick(2000);
  assert.equal(asked.filter((url) => url.includes('alerts')).length, 2, 'nobody is asked who is away');
  answer = async () => ({ items: [] });
  server().greet({ resumed: true });
  await turn();
  assert.equal(request.phase, 'loaded');
  assert.deepEqual(answers, ['answered']);
});

test('an answer is renewed when it is outdated, and an ended page gets none', async () => {
  server().greet();
  await turn();
  const page = new AbortController();
  let answers = 0;
  const request = session.ask((signal) => session.history.alerts(1, signal), () => answers++, page.signal);
  request.load();
  await turn();
  request.renew();
  assert.equal(asked.length, 3, 'the two of the greeting and this one');
  request.outdate();
  request.renew();
  assert.equal(asked.length, 3, 'not so soon');
  steady += 10_000;
  request.renew();
  page.abort();
  await turn();
  assert.equal(asked.length, 4);
  assert.equal(answers, 1);
  assert.equal(request.phase, 'loaded', 'what was answered stays');
});

test('what depends on rules is asked again soon after others are in force, also if it is being asked just now', async () => {
  server().greet();
  await turn();
  const page = new AbortController();
  const request = session.ask((signal) => session.history.device('a', signal), () => {}, page.signal);
  session.followRules(request, page.signal);
  request.load();
  await turn();
  asked = [];
  server().send({ type: 'alert_rules', alert_rules: [{ alert_type: 'hot', device_type: 'oven', severity: 'info', threshold: 30 }] });
  server().send({ type: 'alert_rules', alert_rules: [{ alert_type: 'hot', device_type: 'oven', severity: 'info', threshold: 31 }] });
  assert.deepEqual(session.plant.rulesOf('oven').map(({ threshold }) => threshold), [31]);
  mock.timers.tick(500);
  assert.equal(asked.length, 1, 'once for both');
  request.refresh();
  request.refresh();
  assert.equal(asked.length, 1);
  await turn();
  assert.equal(asked.length, 2, 'what is on its way may be from before');
  await turn();
  assert.equal(asked.length, 2);
  server().send({ type: 'alert_rules', alert_rules: [] });
  page.abort();
  mock.timers.tick(500);
  assert.equal(asked.length, 2);
});

test('an alert says what its rule says, and what only its fields can say in the reader\'s language', () => {
  server().greet();
  const alert = (more = {}) => /** @type {import('../static/js/model/protocol.js').Alert} */ (/** @type {unknown} */ ({
    id: '1', device_id: 'a', device_type: 'oven', alert_type: 'oven_high', severity: 'warning', state: 'raised', threshold: 28, current_value: 30, unit: '°C', message: '烤箱超过阈值: 30°C > 28°C', ...more,
  }));
  assert.equal(session.typeName('oven'), 'Oven');
  assert.equal(session.typeName('of a newer server'), 'of a newer server');
  assert.match(session.alertWords(alert()), /^Oven above 28.°C$/);
  assert.match(session.alertWords(alert(), { unit: '°F', scale: 1.8, offset: 32 }), /82\.4.°F/, 'in the unit in which people want to see it');
  assert.match(session.alertValue(alert(), { unit: '°F', scale: 1.8, offset: 32 }), /^86\.0.°F$/);
  assert.equal(session.alertWords(alert({ message: '过高', message_en: 'Too hot\u202e' })), 'Too hot[U+202E]');
  const often = alert({ alert_type: 'often', message: '次数过多', current_value: 1200, threshold: 1000, unit: '' });
  assert.equal(session.alertWords({ ...often, message_en: 'Oven: too often' }), 'Oven: too often');
  assert.equal(session.alertWords(often), 'often: 1,200', 'an archived alert of an older server is not in English, and its count has no unit');
  assert.equal(session.alertThreshold(often), '1,000');
  assert.match(session.alertValue(alert({ message: '无数据', unit: 's', current_value: 90 }), { unit: '°F', scale: 1.8, offset: 32 }), /^90.s$/, 'seconds are no degrees');
  session.appearance.language = 'zh';
  assert.equal(session.alertWords(alert({ message: '过高', message_en: 'Too hot' })), '过高');
  assert.match(session.alertWords(alert()), /超过阈值 28.°C$/);
});

test('an address below the application is made a whole one', () => {
  assert.equal(session.href('devices/a%2Fb'), 'http://plant/devices/a%2Fb');
});

test('alerts that have cleared are listed, but not those of readings that came late, and what stands is said by the live messages', async () => {
  const alert = (/** @type {string} */ id, more = {}) => ({ id, device_id: 'a', device_type: 'oven', severity: 'warning', state: 'cleared', timestamp: '2026-01-01T00:00:09Z', ...more });
  const answers = [[alert('1', { alarm_state: 'normal' }), alert('2', { historical: true }), alert('3', { state: 'raised' })], []];
  answer = async () => ({ items: answers.shift() ?? [] });
  const alerts = follow(session.alerts);
  server().greet();
  await turn();
  assert.deepEqual(session.alerts.list({ openOnly: false, severity: '' }).map(({ id }) => id), ['1']);
  assert.ok(alerts.changes.every(({ news }) => news.length === 0), 'and are no news');
});

test('a window of another length, and a device\'s change of state, are known while the page is open', () => {
  server().greet();
  server().send({ type: 'device_data', devices: [device('a')] });
  const data = { count: 2, avg_value: 20, max_value: 21, min_value: 19, device_count: 1, online_devices: 1, offline_devices: 0, alert_count: 0 };
  server().send({ type: 'aggregated_data', window_start: '2026-01-01T00:00:00Z', window_seconds: 60, final: false, data: { oven: data } });
  assert.equal(session.plant.windowSeconds, 60);
  const archive = follow(session.archive);
  server().send({ type: 'aggregated_data', window_start: '2026-01-01T00:00:00Z', window_seconds: 60, final: true, corrected: true, data: { oven: data } });
  assert.equal(archive.changes.length, 1, 'what was asked of the archive is outdated');
  const status = { type: 'device_status', total_devices: 1, online_devices: 0, offline_devices: 1, changed: [{ device_id: 'a', device_type: 'oven', status: 'offline', timestamp: '2026-01-01T00:00:10Z' }] };
  server().send(status);
  assert.deepEqual([session.status.latest?.offline_devices, session.devices.get('a')?.status], [1, 'offline']);
});

test('what the server complains of is in the console, and the page goes on', (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  server().greet();
  server().send({ type: 'error', code: 'too_slow', message: 'some messages were left out' });
  assert.deepEqual(warn.mock.calls.map(({ arguments: [words] }) => words), ['server: too_slow: some messages were left out']);
  server().send({ type: 'device_data', devices: [device('a')] });
  assert.equal(session.devices.size, 1);
});

test('a page that is looked at again after hours says so at once, and connects', () => {
  server().greet();
  assert.equal(session.freshness.stale, false);
  server().onclose?.();
  const before = FakeSocket.newest;
  steady += 3_600_000;
  session.wake();
  assert.equal(session.freshness.stale, true);
  assert.notEqual(FakeSocket.newest, before);
});

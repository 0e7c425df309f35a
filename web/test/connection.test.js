// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { backoff } from '../static/js/model/backoff.js';
import { Connection } from '../static/js/model/connection.js';

/** @typedef {import('../static/js/model/connection.js').ConnectionState} ConnectionState */

/** A WebSocket whose server is the test. */
class FakeSocket {
  /** @type {FakeSocket[]} */
  static all = [];
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {(() => void) | null} */
  onclose = null;
  closed = false;

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  close() {
    this.closed = true;
  }

  /** @param {object} message */
  receive(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  greet() {
    this.receive({ type: 'hello', seq: 100, session: 's-1', resumed: false, device_types: [] });
  }
}

/** @type {ConnectionState[]} */
let states = [];
/** @type {string[]} */
let received = [];
/** @type {Connection} */
let connection;
/** How far somebody has set the wall clock ahead of the other one, in milliseconds. */
let setAhead = 0;

const newest = () => /** @type {FakeSocket} */ (FakeSocket.all.at(-1));

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  FakeSocket.all = [];
  states = [];
  received = [];
  setAhead = 0;
  connection = new Connection({
    location: { protocol: 'http:', host: 'plant' },
    path: '/ws',
    WebSocket: /** @type {any} */ (FakeSocket),
    random: () => 0,
    local: () => Date.now() - setAhead,
    onMessage: (message) => received.push(message.type),
  });
  connection.subscribe(() => states.push(connection.state), { signal: new AbortController().signal });
  connection.connect();
});

test('the greeting, not the handshake, makes a connection stand', () => {
  assert.deepEqual(states, [{ phase: 'connecting' }]);
  newest().greet();
  assert.deepEqual(states.at(-1), { phase: 'open' });
  assert.deepEqual(received, ['hello']);
});

test('a lost connection resumes after the last message', () => {
  newest().greet();
  newest().receive({ type: 'alert', seq: 123, alerts: [] });
  newest().onclose?.();
  assert.deepEqual(states.at(-1), { phase: 'waiting', retryAt: 1_001_000 });
  mock.timers.tick(1000);
  assert.equal(newest().url, 'ws://plant/ws?batch=true&session=s-1&since=123');
});

test('attempts are further and further apart until the server greets', () => {
  const waits = [];
  for (let i = 0; i < 8; i++) {
    newest().onclose?.();
    const state = connection.state;
    assert.equal(state.phase, 'waiting');
    const wait = state.phase === 'waiting' ? state.retryAt - Date.now() : 0;
    waits.push(wait / 1000);
    mock.timers.tick(wait);
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 15, 25, 25, 25]);
  newest().greet();
  newest().onclose?.();
  assert.deepEqual(connection.state, { phase: 'waiting', retryAt: Date.now() + 1000 });
});

test('the countdown to the next attempt goes by a clock that nobody can set', () => {
  assert.equal(connection.retryIn, 0);
  newest().onclose?.();
  assert.equal(connection.retryIn, 1000);
  mock.timers.tick(300);
  assert.equal(connection.retryIn, 700);
  for (const hour of [3_600_000, -3_600_000]) {
    setAhead += hour;
    mock.timers.setTime(Date.now() + hour);
    assert.equal(connection.retryIn, 700);
  }
});

test('an attempt asked for is made at once and only once', () => {
  newest().onclose?.();
  connection.connect();
  connection.connect();
  assert.equal(FakeSocket.all.length, 2);
  mock.timers.tick(5000);
  assert.equal(FakeSocket.all.length, 2);
});

test('a server that never greets is given up', () => {
  mock.timers.tick(10_000);
  assert.equal(newest().closed, true);
  assert.equal(connection.state.phase, 'waiting');
});

test('a connection that falls silent is replaced, and what it says afterwards ignored', () => {
  newest().greet();
  mock.timers.tick(59_000);
  newest().receive({ type: 'alert', seq: 101, alerts: [] });
  mock.timers.tick(59_000);
  assert.equal(connection.state.phase, 'open');
  mock.timers.tick(1000);
  const dead = newest();
  assert.equal(dead.closed, true);
  mock.timers.tick(1000);
  dead.receive({ type: 'alert', seq: 102, alerts: [] });
  dead.onclose?.();
  assert.deepEqual(received, ['hello', 'alert']);
  assert.equal(connection.state.phase, 'connecting');
});

test('a closed connection stays closed', () => {
  newest().greet();
  connection.close();
  newest().onclose?.();
  mock.timers.tick(120_000);
  assert.equal(FakeSocket.all.length, 1);
});

test('every wait lies between 1 s and 30 s', () => {
  for (let attempt = 0; attempt < 20; attempt++) {
    assert.ok(backoff(attempt, () => 0) >= 1000);
    assert.ok(backoff(attempt, () => 0.999999) <= 30_000);
  }
});

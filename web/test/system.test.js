// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeadLetterStore, readable } from '../static/js/model/dead-letters.js';
import { Locale } from '../static/js/locale/locale.js';
import { History } from '../static/js/model/history.js';
import { partitionRates, serviceOf } from '../static/js/model/system.js';
import { factsOf } from '../static/js/pages/system/forward-panel.js';
import { ranges } from '../static/js/pages/system/program-list.js';

/**
 * @typedef {import('../static/js/model/dead-letters.js').DeadLetter} DeadLetter
 * @typedef {import('../static/js/model/system.js').System} System
 */

/**
 * @param {string} id
 * @returns {DeadLetter}
 */
function letter(id) {
  return { id, rejected_at: '2026-03-01T12:00:00Z', field: 'value', reason: 'not a number', kind: 'reading', key: 'd', encoding: 'utf-8', value: '{}', size: 2, complete: true };
}

/** @param {string[]} ids */
const page = (...ids) => ({ items: ids.map(letter) });

test('messages of sources are not chosen to be sent again', () => {
  const store = new DeadLetterStore();
  const { items } = page('0-3', '0-2');
  store.replace({ items: [...items, { ...letter('0-1'), received_by: { name: 'hall-3', topic: 'plant/a' } }] });
  store.chooseAll(true);
  assert.deepEqual([store.chosen, store.sendable], [['0-3', '0-2'], 2]);
});

test('what was chosen stays chosen while it is listed', () => {
  const store = new DeadLetterStore();
  store.replace({ ...page('0-3', '0-2'), next: 'more' });
  store.choose('0-2', true);
  store.append(page('0-1'));
  assert.deepEqual([store.chosen, store.next, store.complete], [['0-2'], '', true]);
  store.replace(page('0-4', '0-3', '0-2'));
  assert.deepEqual(store.chosen, ['0-2']);
  store.replace(page('0-5', '0-4'));
  assert.equal(store.chosenCount, 0);
  store.chooseAll(true);
  assert.deepEqual(store.chosen, ['0-5', '0-4']);
  store.chooseAll(false);
  assert.deepEqual(store.chosen, []);
});

test('what was sent is no longer chosen, what is still rejected is', () => {
  const store = new DeadLetterStore();
  store.replace(page('0-3', '0-2', '0-1'));
  store.chooseAll(true);
  store.record([{ id: '0-3', result: 'sent' }, { id: '0-2', result: 'rejected', reason: 'unknown type' }, { id: '0-1', result: 'gone' }]);
  assert.deepEqual(store.chosen, ['0-2']);
  assert.deepEqual([store.resent('0-3')?.result, store.resent('0-2')?.reason, store.resent('0-9')], ['sent', 'unknown type', undefined]);
});

test('the list has an end', () => {
  const store = new DeadLetterStore();
  store.replace({ items: Array.from({ length: 2000 }, (_, i) => letter(`0-${i}`)), next: 'more' });
  assert.deepEqual([store.next, store.complete], ['', false]);
});

/**
 * Returns whether new ones are announced, and whether the list is to be loaded anew.
 *
 * @param {DeadLetterStore} store
 */
const news = (store) => [store.newer, store.outdated];

test('what is listed is not announced, however the answers cross', () => {
  const store = new DeadLetterStore();
  store.endAt(4);
  assert.deepEqual(news(store), [false, false], 'nothing is listed yet');
  // One more is rejected between the two answers, and is listed.
  store.replace({ ...page('0-4'), end: 6 });
  assert.deepEqual(news(store), [false, true], 'an older answer of the system announces nothing');
  store.endAt(6);
  assert.deepEqual(news(store), [false, false]);
  store.endAt(undefined);
  assert.deepEqual(news(store), [false, false], 'Kafka does not answer');
});

test('what was rejected before the first answer of the system is announced', () => {
  const store = new DeadLetterStore();
  store.replace({ ...page('0-4'), end: 6 });
  assert.deepEqual(news(store), [false, false], 'where they end is not known');
  store.endAt(8);
  assert.deepEqual(news(store), [true, true]);
  store.append(page('0-3'));
  assert.deepEqual(news(store), [true, true], 'an older page brings none of the new ones');
  store.replace({ ...page('0-6', '0-4'), end: 8 });
  assert.deepEqual(news(store), [false, false]);
});

test('the list of a topic that was created anew is outdated', () => {
  const store = new DeadLetterStore();
  store.replace({ ...page('0-4'), end: 6 });
  store.endAt(0);
  assert.deepEqual(news(store), [false, true]);
});

test('what is no text is read as a dump', () => {
  assert.equal(readable({ encoding: 'utf-8', value: '{"a": "栋"}' }), '{"a": "栋"}');
  const bytes = btoa(String.fromCharCode(...Array.from({ length: 18 }, (_, i) => (i < 3 ? 0x41 + i : 0xf0 + (i % 16)))));
  assert.equal(readable({ encoding: 'base64', value: bytes }), [
    '000000  41 42 43 f3 f4 f5 f6 f7 f8 f9 fa fb fc fd fe ff  ABC·············',
    `000010  f0 f1${' '.repeat(42)}  ··`,
  ].join('\n'));
  assert.equal(readable({ encoding: 'base64', value: '' }), '');
});

/**
 * @param {number} second
 * @param {[number, number][]} ends By partition.
 * @returns {System}
 */
function answer(second, ends) {
  const partitions = ends.map(([partition, end]) => ({ partition, start: 0, end, lag: 0, archive_lag: 0 }));
  return /** @type {System} */ (/** @type {unknown} */ ({ timestamp: new Date(Date.UTC(2026, 2, 1, 12, 0, second)).toISOString(), log: { partitions } }));
}

test('rates are those between two answers', () => {
  const first = answer(0, [[0, 100], [1, 50], [3, 9]]);
  assert.deepEqual([...partitionRates(first, answer(4, [[0, 140], [1, 50], [2, 7], [3, 1]]))], [[0, 10], [1, 0]]);
  assert.equal(partitionRates(null, first).size, 0);
  assert.equal(partitionRates(first, first).size, 0);
});

test('a client id is a service and its version', () => {
  assert.deepEqual(serviceOf('consumer-1.2.3-rc1'), { service: 'consumer', version: '1.2.3-rc1' });
  assert.deepEqual(serviceOf('websocket-devel'), { service: 'websocket', version: 'devel' });
  assert.deepEqual(serviceOf('somebody-else'), { service: 'somebody-else', version: '' });
});

test('partitions are written as ranges', () => {
  assert.deepEqual(ranges([0, 1, 2, 5, 7, 8]), ['0–2', '5', '7–8']);
  assert.deepEqual(ranges([]), []);
});

test('dead letters are sent again by their ids', async () => {
  /** @type {[string, RequestInit | undefined][]} */
  const asked = [];
  const history = new History('/', async (address, request) => {
    asked.push([String(address), request]);
    return new Response('{"sent":1,"items":[{"id":"0-1","result":"sent"}]}');
  });
  assert.equal((await history.resend(['0-1'])).sent, 1);
  assert.deepEqual(asked.map(([address, request]) => [address, request?.method, request?.body]), [['/api/v1/dead-letters/resend', 'POST', '{"ids":["0-1"]}']]);
});

test('forwarding says since when, what waits and what was wrong, and nothing of what is not', () => {
  const locale = new Locale('en');
  const now = Date.parse('2026-03-01T12:10:00Z');
  /** @type {import('../static/js/model/system.js').Forward} */
  const quiet = {
    to: 'https://central.example', connected: true, since: '2026-03-01T12:00:00Z', lag: 0, lag_seconds: 0, forwarded: 7, early: 0, rejected: 0, errors: 0, clock_ahead_seconds: -3, lost: [],
  };
  /** @param {Partial<import('../static/js/model/system.js').Forward>} changes */
  const facts = (changes) => factsOf({ forward: { ...quiet, ...changes }, now, locale });
  assert.deepEqual(facts({}).map(([name]) => name), ['Centre', 'Connection', 'Records to forward', 'Forwarded since the start']);
  assert.equal(facts({}).some(([, , wrong]) => wrong), false);
  assert.equal(facts({ since: undefined, connected: false })[1]?.[2], false);
  const away = facts({
    connected: false, problem: 'connection refused', lag: 1200, lag_seconds: 90, errors: 3, rejected: 2, last_reason: 'value: too large', early: 1, clock_ahead_seconds: 60,
    lost: [{ partition: 0, records: 5 }, { partition: 1, records: 6 }],
  });
  const words = new Map(away.map(([name, value, wrong]) => [name, `${wrong ? '! ' : ''}${value}`]));
  assert.match(words.get('Connection') ?? '', /^! the centre has not answered for 10/);
  assert.equal(words.get('Last problem'), '! connection refused');
  assert.equal(words.get('Records to forward'), '1,200');
  assert.equal(words.get('Rejected by the centre'), '! 2, the last one: value: too large');
  assert.equal(words.get('Deleted before they were forwarded'), '! 11');
  for (const name of ['The oldest has waited', 'Calls that failed', 'Waiting for the centre’s clock', 'Clock ahead of the centre’s']) assert.ok(words.has(name), name);
});

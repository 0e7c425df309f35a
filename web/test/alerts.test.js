// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actionable, AlertActions, possibleActions } from '../static/js/model/alert-actions.js';
import { areaOf, asksForSomebody, byUrgency, justRaised, lifeOf } from '../static/js/model/alert-life.js';
import { addressedAlerts, countHandlings, groupedAlerts, selectedAlerts } from '../static/js/model/alert-query.js';
import { AlertStore } from '../static/js/model/alerts.js';
import { HistoryError } from '../static/js/model/history.js';

/** @typedef {import('../static/js/model/protocol.js').Alert} Alert */

/**
 * @param {string} id
 * @param {Partial<Alert>} [more]
 * @returns {Alert}
 */
function alert(id, more = {}) {
  const timestamp = '2026-03-01T12:00:00Z';
  return {
    id, device_id: `d-${id}`, device_type: 'temperature_sensor', alert_type: 'temperature_high', severity: 'warning', state: 'raised',
    message: '', current_value: 29, threshold: 28, onset: timestamp, timestamp, alarm_state: 'unacknowledged', ...more,
  };
}

const none = addressedAlerts({ get: () => '' });
/** @param {Alert} _ */
const noText = (_) => '';

test('the state of an event of an older server is found from what it says', () => {
  const old = (/** @type {Partial<Alert>} */ more) => {
    const event = alert('a', more);
    delete event.alarm_state;
    return lifeOf(event);
  };
  assert.equal(old({}), 'unacknowledged');
  assert.equal(old({ state: 'acknowledged' }), 'acknowledged');
  assert.equal(old({ state: 'updated', acknowledged_at: '2026-03-01T12:00:00Z' }), 'acknowledged');
  assert.equal(old({ state: 'cleared' }), 'returned_unacknowledged');
  assert.equal(old({ state: 'cleared', historical: true }), 'normal');
});

test('what asks for somebody comes first: unacknowledged, then the most urgent, what stands before what has returned, the newest', () => {
  const later = { onset: '2026-03-01T13:00:00Z' };
  const sorted = [
    alert('critical', { severity: 'critical' }), alert('critical-returned', { severity: 'critical', state: 'cleared', alarm_state: 'returned_unacknowledged', ...later }),
    alert('new', later), alert('old'), alert('acked', { severity: 'critical', alarm_state: 'acknowledged' }),
    alert('shelved', { severity: 'critical', suppressed: 'shelved' }),
  ];
  assert.deepEqual([...sorted].reverse().sort(byUrgency).map(({ id }) => id), sorted.map(({ id }) => id));
});

test('alerts are selected by state, severity, type, area, rule and any of their words', () => {
  const all = [
    alert('a', { area: 'north/hall 2' }), alert('b', { area: 'north/hall 20', severity: 'critical' }),
    alert('c', { location: { building: 'A栋', floor: 3, room: '301' }, alarm_state: 'acknowledged' }),
    alert('d', { alarm_state: 'latched_acknowledged', alert_type: 'boiler' }), alert('e', { suppressed: 'shelved', device_type: 'humidity_sensor' }),
    alert('f', { state: 'cleared', alarm_state: 'returned_unacknowledged' }),
  ];
  const chosen = (/** @type {Record<string, string>} */ query, textOf = noText) =>
    selectedAlerts(all, addressedAlerts({ get: (name) => query[name] ?? '' }), textOf).map(({ id }) => id).sort().join('');
  assert.equal(chosen({}), 'abcdef');
  assert.equal(chosen({ state: 'unacknowledged' }), 'ab', 'neither what is shelved nor what has returned');
  assert.equal(chosen({ state: 'acknowledged' }), 'cd');
  assert.equal(chosen({ state: 'returned' }), 'f');
  assert.equal(chosen({ state: 'latched' }), 'd');
  assert.equal(chosen({ state: 'suppressed' }), 'e');
  assert.equal(chosen({ state: 'nonsense' }), 'abcdef');
  assert.equal(chosen({ area: 'north/hall 2' }), 'a', 'the name of another area begins so');
  assert.equal(chosen({ area: 'north' }), 'ab');
  assert.equal(chosen({ area: 'A栋' }), 'c');
  assert.equal(chosen({ severity: 'critical', rule: 'temperature_high' }), 'b');
  assert.equal(chosen({ type: 'humidity_sensor' }), 'e');
  assert.equal(chosen({ search: 'HOT' }, (/** @type {Alert} */ { id }) => (id === 'd' ? 'too hot' : '')), 'd');
  assert.deepEqual(countHandlings(all), { unacknowledged: 2, acknowledged: 2, returned: 1, latched: 1, suppressed: 1 });
  assert.equal(areaOf(/** @type {Alert} */ (all[2])), 'A栋/3/301');
});

test('alerts are grouped by rule, area or both: what asks for somebody, then the most urgent, then the largest group first', () => {
  const all = [
    alert('a', { area: 'x' }), alert('b', { area: 'x', device_id: 'd-a' }), alert('c', { area: 'y', severity: 'critical' }),
    alert('d', { area: 'x', alert_type: 'other', alarm_state: 'acknowledged', severity: 'critical' }),
  ];
  const found = groupedAlerts(all, 'both').map(({ rule, area, alerts, devices, unacknowledged, worst }) => [rule, area, alerts.length, devices, unacknowledged, worst]);
  assert.deepEqual(found, [
    ['temperature_high', 'y', 1, 1, 1, 'critical'], ['temperature_high', 'x', 2, 1, 2, 'warning'], ['other', 'x', 1, 1, 0, 'critical'],
  ]);
  assert.deepEqual(groupedAlerts(all, 'rule').map(({ rule, area, alerts }) => [rule, area, alerts.length]), [['temperature_high', undefined, 3], ['other', undefined, 1]]);
  assert.deepEqual(groupedAlerts(all, 'area').map(({ rule, area, alerts }) => [rule, area, alerts.length]), [[undefined, 'x', 3], [undefined, 'y', 1]]);
});

test('ten thousand alerts are selected and grouped in a fraction of a second', () => {
  const all = Array.from({ length: 10_000 }, (_, i) => alert(`a-${i}`, { area: `hall ${i % 50}`, onset: new Date(1.7e12 + i * 1000).toISOString() }));
  const began = performance.now();
  for (let i = 0; i < 5; i++) groupedAlerts(selectedAlerts(all, none, noText), 'both');
  assert.ok(performance.now() - began < 5000);
});

test('an event with the time of the one before is another event, and a repeated one is not', () => {
  const store = new AlertStore();
  const acked = alert('a', { state: 'acknowledged', alarm_state: 'acknowledged', actor: 'u-1' });
  store.apply([alert('a')]);
  assert.equal(store.apply([acked]).length, 1);
  assert.equal(store.apply([{ ...acked }]).length, 0);
  assert.equal(store.apply([{ ...acked, comment: 'seen', actor: 'u-2' }]).length, 1, 'a comment at the same moment');
  // The clock of the device is behind that of the log, by which the alert was acknowledged.
  assert.equal(store.apply([{ ...acked, state: 'updated', timestamp: '2026-03-01T11:59:00Z', current_value: 31 }]).length, 1);
  assert.equal(store.find('a')?.current_value, 31);
  assert.equal(store.apply([alert('a', { timestamp: '2026-03-01T11:00:00Z' })], { snapshot: true }).length, 0, 'a snapshot that is older');
});

test('an alert that has cleared unacknowledged stands until somebody has acknowledged it', () => {
  const store = new AlertStore();
  const returned = alert('a', { state: 'cleared', alarm_state: 'returned_unacknowledged' });
  store.apply([alert('a'), returned]);
  assert.equal(store.openCount, 0);
  assert.deepEqual(store.pending.map(({ id }) => id), ['a']);
  for (let i = 0; i < 500; i++) store.apply([alert(`other-${i}`, { state: 'cleared', alarm_state: 'normal' })]);
  assert.equal(store.pending.length, 1, 'it is not forgotten with those that are over');
  assert.equal(store.apply([{ ...returned, alarm_state: 'normal', acknowledged_by: 'u-1', actor: 'u-1' }]).length, 1);
  assert.equal(store.pending.length, 0);
  assert.equal(store.find('a')?.acknowledged_by, 'u-1');
  assert.equal(store.apply([returned], { snapshot: true }).length, 0, 'the archive is behind');
  assert.equal(store.pending.length, 0);
  for (let i = 0; i < 25_000; i++) store.apply([{ ...returned, id: `r-${i}` }]);
  assert.equal(store.pending.length, 20_000, 'there is a bound');
});

test('what the archive alone has named as unacknowledged goes once it no longer does', (t) => {
  const store = new AlertStore();
  const returned = (/** @type {string} */ id) => alert(id, { state: 'cleared', alarm_state: 'returned_unacknowledged' });
  const names = () => store.pending.map(({ id }) => id).sort();
  store.applyReturned([returned('a'), returned('b')], { whole: true });
  store.apply([returned('live')]);
  assert.deepEqual(names(), ['a', 'b', 'live']);
  store.applyReturned([returned('b')], { whole: false });
  assert.deepEqual(names(), ['a', 'b', 'live'], 'there may be others');
  let changes = 0;
  store.subscribe(() => (changes += 1), { signal: t.signal });
  store.applyReturned([returned('b')], { whole: true });
  assert.deepEqual([names(), changes, store.find('a')], [['b', 'live'], 1, undefined], 'an event is newer than the archive');
  store.apply([{ ...returned('b'), comment: 'seen' }]);
  store.applyReturned([], { whole: true });
  assert.deepEqual(names(), ['b', 'live'], 'so it is after it');
});

test('people are notified of what has just been raised, unless it is shelved or of the past', () => {
  assert.ok(justRaised(alert('a')));
  assert.ok(!justRaised(alert('a', { suppressed: 'shelved' })));
  assert.ok(!justRaised(alert('a', { historical: true })));
  assert.ok(!justRaised(alert('a', { state: 'updated' })));
  assert.ok(!asksForSomebody(alert('a', { suppressed: 'out_of_service' })));
});

test('what can be done depends on the alert', () => {
  const all = [alert('a'), alert('b', { alarm_state: 'latched_acknowledged' }), alert('c', { alarm_state: 'acknowledged', suppressed: 'shelved' })];
  assert.deepEqual(possibleActions(all), ['acknowledge', 'comment', 'shelve', 'unshelve', 'reset', 'out_of_service']);
  assert.deepEqual(actionable(all, 'reset').map(({ id }) => id), ['b']);
  assert.deepEqual(possibleActions([]), []);
});

/**
 * @param {(id: string, key: string) => Promise<any>} answer
 */
function actions(answer) {
  const ended = new AbortController();
  /** @type {{ids: string[], key: string}[]} */
  const requests = [];
  const history = /** @type {any} */ ({
    handleAlerts: async (/** @type {string[]} */ ids, /** @type {string} */ _, /** @type {{key: string}} */ { key }) => {
      requests.push({ ids, key });
      const items = await Promise.all(ids.map((id) => answer(id, key)));
      return { waiting: items.some(({ waiting }) => waiting), items: items.map(({ done, refused, remains, error, alert }) => ({ id: alert.id, done, refused, remains, error, alert })) };
    },
  });
  /** @type {Alert[]} */
  const seen = [];
  const done = new AlertActions(history, (one) => seen.push(one), ended.signal, async () => {});
  return { done, seen, requests, ended };
}

test('an action about many alerts says of each that failed why, and tries only those again: what has no answer with the same key', async () => {
  let broken = true;
  const { done, seen, requests } = actions(async (id) => {
    if (broken && id === '150') throw new TypeError('lost');
    return {
      done: !['3', '4', '5', '240'].includes(id), error: id === '3' ? 'there is no such alert' : undefined, waiting: broken && id === '5',
      refused: id === '4' || id === '240' ? { reason: 'already_acknowledged', by: 'u' } : undefined, alert: alert(id),
    };
  });
  await done.begin(Array.from({ length: 250 }, (_, i) => alert(String(i))), 'acknowledge', {});
  assert.deepEqual(requests.map(({ ids }) => ids.length), [100, 100, 50]);
  assert.deepEqual(done.progress, { all: 250, done: 147, waiting: 1 }, 'of what is refused it is known that it will not be done');
  assert.equal(done.failed.length, 103);
  assert.deepEqual(done.failed.filter(({ error }) => error instanceof HistoryError).map(({ id }) => id), ['3']);
  assert.equal(seen.length, 149, 'what waits is shown when it is done');
  assert.deepEqual(done.failed.filter(({ refused }) => refused).map(({ id, refused }) => [id, refused?.reason]), [['4', 'already_acknowledged'], ['240', 'already_acknowledged']]);
  broken = false;
  await done.again();
  assert.deepEqual(requests[3], requests[1], 'the same request');
  assert.deepEqual(requests[4]?.ids, ['3', '4', '240'], 'a new one');
  assert.equal(new Set(requests.map(({ key }) => key)).size, 4);
  assert.deepEqual(done.failed.map(({ id }) => id), ['3', '4', '240']);
  done.end();
  assert.equal(done.progress, null);
  await done.begin([alert('4')], 'acknowledge', {});
  assert.deepEqual(done.failed.map(({ id, error }) => [id, error]), [['4', null]], 'the processor has refused it');
  assert.equal(new Set(requests.map(({ key }) => key)).size, 5, 'another action has another key');
});

test('what is done and leaves the alert suppressed is listed', async () => {
  const { done } = actions(async (id) => ({ done: true, remains: 'device_shelved', alert: alert(id) }));
  await done.begin([alert('a')], 'unshelve', {});
  assert.deepEqual([done.progress?.done, done.failed.map(({ id, remains }) => [id, remains])], [0, [['a', 'device_shelved']]]);
});

test('a busy server is asked again, but not for ever', async () => {
  let asked = 0;
  const { done } = actions(async () => {
    if (++asked < 3) throw new HistoryError(429, 'busy');
    return { done: true, alert: alert('a') };
  });
  await done.begin([alert('a')], 'comment', { comment: 'x' });
  assert.equal(done.progress?.done, 1);
  const never = actions(async () => {
    asked++;
    throw new HistoryError(503, 'away');
  });
  asked = 0;
  await never.done.begin([alert('a')], 'comment', { comment: 'x' });
  assert.equal(asked, 5);
  assert.equal(never.done.failed.length, 1);
});

test('what is stopped begins with no further alert, and can be taken up again', async () => {
  const { done, ended } = actions(async (id) => {
    if (id === 'a-150') done.stop();
    return { done: true, alert: alert(id) };
  });
  await done.begin(Array.from({ length: 1000 }, (_, i) => alert(`a-${i}`)), 'acknowledge', {});
  assert.equal(done.left, 800);
  assert.equal(done.loss, '');
  const going = done.again();
  assert.equal(done.loss, 'saving');
  await going;
  assert.equal(done.progress?.done, 1000);
  ended.abort();
});

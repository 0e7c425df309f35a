// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SampleSeries } from '../static/js/model/samples.js';
import { chartPoints, livePoints, mergeWindows, rangeLength, rangeStep, ranges, withoutLead } from '../static/js/model/series.js';
import { keptWindows, WindowStore } from '../static/js/model/windows.js';

/** @typedef {import('../static/js/model/windows.js').WindowPoint} WindowPoint */

const window = 30_000;

/**
 * @param {number} n The n-th window.
 * @param {number[]} values
 * @param {boolean} [final]
 * @returns {WindowPoint}
 */
function point(n, values, final = true) {
  const count = values.length;
  const sum = values.reduce((a, b) => a + b, 0);
  return {
    start: n * window,
    final,
    count,
    average: count ? sum / count : null,
    max: count ? Math.max(...values) : null,
    min: count ? Math.min(...values) : null,
    devices: count,
  };
}

/**
 * @param {number} n
 * @param {number} average
 * @param {boolean} final
 */
function message(n, average, final) {
  const data = { count: 1, avg_value: average, max_value: average, min_value: average, device_count: 1, online_devices: 1, offline_devices: 0, alert_count: 0 };
  return /** @type {import('../static/js/model/protocol.js').AggregatedData} */ (
    /** @type {unknown} */ ({ type: 'aggregated_data', window_start: new Date(n * window).toISOString(), window_seconds: 30, final, data: { t: data } })
  );
}

test('a later message replaces its window', () => {
  const store = new WindowStore();
  store.apply(message(1, 20, false));
  store.apply(message(1, 21, true));
  assert.deepEqual(store.of('t').map(({ average, final }) => [average, final]), [[21, true]]);
});

test('windows are in order whatever order they came in, and the oldest are forgotten', () => {
  const store = new WindowStore();
  for (let n = 400; n > 300; n--) store.apply(message(n, n, true));
  for (let n = 401; n < 800; n++) store.apply(message(n, n, true));
  const starts = store.of('t').map(({ start }) => start / window);
  assert.equal(starts.length, 240);
  assert.deepEqual(starts, [...starts].sort((a, b) => a - b));
  assert.equal(starts.at(-1), 799);
  assert.equal(store.newest('t')?.average, 799);
  assert.deepEqual(store.of('unknown'), []);
});

test('every window of the longest step is kept until the archive has it', () => {
  for (const seconds of [1, 2, 3, 5, 7, 30, 60, 7200]) {
    for (const range of ranges) {
      const step = rangeStep(range, seconds) / seconds;
      assert.ok(keptWindows(seconds) > step + 60, `${range.name} of ${seconds} s: ${keptWindows(seconds)} kept, ${step} in a step`);
    }
    assert.ok(keptWindows(seconds) <= 1000, `${keptWindows(seconds)} windows of ${seconds} s`);
  }
});

test('the store knows the time from which on no window is missing', () => {
  const store = new WindowStore();
  assert.equal(store.since, Infinity);
  store.apply(message(100, 1, true));
  store.apply(message(98, 1, true));
  assert.equal(store.since, 98 * window);
  store.apply(message(98 + keptWindows(30), 1, false));
  assert.equal(store.since, 99 * window, 'what is forgotten is not known');
  store.apply(message(1, 1, true));
  assert.equal(store.since, 99 * window, 'what comes too late is not kept');
  store.clear();
  assert.equal(store.since, Infinity);
});

test('merging windows gives the numbers of all their readings', () => {
  const readings = [[1, 2, 6], [], [4], [10, 0], [3], [7, 7]];
  const merged = mergeWindows(readings.map((values, n) => point(n, values)), 3 * window);
  assert.deepEqual(merged, [
    { ...point(0, [1, 2, 6, 4]), devices: 3 },
    { ...point(3, [10, 0, 3, 7, 7]), devices: 2 },
  ]);
});

test('a step with a window in progress is in progress', () => {
  const [merged] = mergeWindows([point(0, [1]), point(1, [2], false)], 2 * window);
  assert.equal(merged?.final, false);
});

test('every range has whole windows and a bounded number of points', () => {
  for (const range of ranges) {
    for (const seconds of [1, 2, 7, 10, 11, 13, 30, 45, 60, 300, 7200, 86_400]) {
      const step = rangeStep(range, seconds);
      const points = rangeLength(range, seconds) / 1000 / step;
      assert.ok(points >= 1 && (points >= 60 || step === seconds), `${range.name} of ${seconds} s: ${points} points`);
      assert.equal(step % seconds, 0, `${range.name} of ${seconds} s`);
      assert.ok(points <= 150, `${range.name} of ${seconds} s: ${points} points`);
    }
  }
  assert.equal(rangeLength(/** @type {any} */ (ranges[0]), 30), livePoints * window);
});

test('a chart has a point for each step, empty where nothing was read', () => {
  const points = chartPoints({ archived: [point(7, [5])], live: [point(9, [6], false)], since: 9 * window, length: 4 * window, step: window, now: 9.4 * window });
  assert.deepEqual(points.map((p) => [p.start / window, p.average, p.final]), [[6, null, true], [7, 5, true], [8, null, true], [9, 6, false]]);
});

test('a range that is no multiple of its windows lies on their grid all the same', () => {
  const points = chartPoints({ archived: [point(7, [5])], live: [], since: Infinity, length: 3.5 * window, step: window, now: 9.4 * window });
  assert.deepEqual(points.map((p) => [p.start / window, p.count]), [[6, 0], [7, 1], [8, 0], [9, 0]]);
});

test('of two accounts of a step the one that counted more stands, at equal counts the live one', () => {
  const source = { since: 0, length: window, step: window, now: 9.4 * window };
  const [more] = chartPoints({ ...source, archived: [point(9, [1, 1])], live: [point(9, [2])] });
  assert.equal(more?.average, 1);
  const [same] = chartPoints({ ...source, archived: [point(9, [1])], live: [point(9, [2])] });
  assert.equal(same?.average, 2);
});

test('a step that began before the live messages did is the archive\'s', () => {
  const source = { length: 3 * window, step: 3 * window, now: 8.4 * window, archived: [point(6, [50])] };
  const live = [point(7, [1]), point(8, [2], false)];
  const [begun] = chartPoints({ ...source, live, since: 7 * window });
  assert.equal(begun?.max, 50, 'the maximum of its beginning counts');
  const [whole] = chartPoints({ ...source, live, since: 6 * window });
  assert.equal(whole?.max, 2, 'the live ones know more');
  const [alone] = chartPoints({ ...source, archived: [], live, since: 7 * window });
  assert.equal(alone?.max, 2, 'there is no other account');
});

test('empty points in front are left out, as long as enough are left', () => {
  const points = [[], [], [], [1], [], [2]].map((values, n) => point(n, values));
  const starts = (/** @type {number} */ fewest) => withoutLead(points, fewest).map(({ start }) => start / window);
  assert.deepEqual(starts(2), [3, 4, 5]);
  assert.deepEqual(starts(5), [1, 2, 3, 4, 5]);
  assert.deepEqual(starts(9), [0, 1, 2, 3, 4, 5]);
  assert.equal(withoutLead(points.slice(0, 3), 1).length, 3, 'nothing but empty points');
});

test('samples come out in order, each once, with a gap where the device was silent', () => {
  const series = new SampleSeries();
  for (const second of [10, 5, 15, 5, 100, 105]) series.add(second * 1000, second);
  assert.deepEqual(series.points(), [[5000, 5], [10_000, 10], [15_000, 15], [15_001, null], [100_000, 100], [105_000, 105]]);
  series.trim(10_000);
  assert.equal(series.size, 4);
  assert.equal(series.points()[0]?.[0], 10_000);
});

test('a slow device has no gaps', () => {
  const series = new SampleSeries();
  for (let minute = 0; minute < 10; minute++) series.add(minute * 60_000, 1);
  assert.ok(series.points().every(([, value]) => value === 1));
});

test('a reading of quality bad is no part of the line', () => {
  const samples = new SampleSeries();
  samples.add(1000, 20);
  samples.add(2000, 85, true);
  samples.add(3000, 21);
  samples.add(2000, 22);
  assert.deepEqual(samples.points(), [[1000, 20], [3000, 21]]);
  assert.deepEqual(samples.bad(), [[2000, 85]]);
  assert.equal(samples.size, 3);
  samples.trim(2500);
  assert.deepEqual([samples.points(), samples.bad()], [[[3000, 21]], []]);
});

test('a window that the archive has corrected replaces the earlier one', () => {
  const store = new WindowStore();
  const data = { count: 2, avg_value: 20, max_value: 20, min_value: 20, device_count: 1, online_devices: 1, offline_devices: 0, alert_count: 0 };
  const message = /** @type {import('../static/js/model/protocol.js').AggregatedData} */ (/** @type {unknown} */ ({
    type: 'aggregated_data', window_start: '2026-03-01T12:00:00Z', window_seconds: 30, final: true, data: { t: data },
  }));
  store.apply(message);
  store.apply({ ...message, corrected: true, data: { t: { ...data, count: 3, avg_value: 21, max_value: 23 } } });
  const [point, ...others] = store.of('t');
  assert.deepEqual([others.length, point?.count, point?.average, point?.corrected], [0, 3, 21, true]);
  const at = Date.parse('2026-03-01T12:00:00Z');
  const archived = [{ start: at, final: true, count: 2, average: 20, max: 20, min: 20, devices: 1 }];
  const shown = chartPoints({ archived, live: store.of('t'), since: store.since, length: 60_000, step: 30_000, now: at + 40_000 });
  assert.equal(shown[0]?.average, 21, 'also where the archive was asked before');
});

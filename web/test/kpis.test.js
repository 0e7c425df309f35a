// @ts-check
import assert from 'node:assert/strict';
import test from 'node:test';
import { figures } from '../static/js/model/kpis.js';

test('a figure is acceptable up to its target', () => {
  const kpis = /** @type {import("../static/js/model/kpis.js").Kpis} */ (/** @type {unknown} */ ({
    per_day: 144, peak_10_minutes: 10.5, flood_percent: 1.2, stale: 0, priorities: { critical_percent: 5, warning_percent: 15.1, info_percent: 79.9 },
    targets: { per_day: 144, peak_10_minutes: 10, flood_percent: 1, stale: 4, critical_percent: 5, warning_percent: 15 },
  }));
  const met = Object.fromEntries(figures(kpis).map((figure) => [figure.name, figure.met]));
  assert.deepEqual([met.per_day, met.peak_10_minutes, met.flood_percent, met.stale, met.critical_percent, met.warning_percent], [true, false, false, true, true, false]);
  assert.ok(figures(kpis).every(({ name, percent }) => percent === name.endsWith('_percent')));
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Locale } from '../static/js/locale/locale.js';
import { bandHeight, drawable, furthest } from '../static/js/model/drawable.js';
import { mergeWindows } from '../static/js/model/series.js';

const most = Number.MAX_VALUE;

/**
 * @param {number} start
 * @param {number} average
 * @param {Partial<import('../static/js/model/windows.js').WindowPoint>} [fields]
 */
function point(start, average, fields) {
  return { start, final: true, count: 10, average, max: average, min: average, devices: 1, ...fields };
}

test('the average of merged windows of the largest values is finite and between its extremes', () => {
  for (const [a, b, want] of [[most, most, most], [-most, -most, -most], [most, -most, 0], [1e308, 1.5e308, 1.25e308]]) {
    const [merged] = mergeWindows([point(0, Number(a)), point(1000, Number(b))], 2000);
    assert.equal(merged?.average, want, `average of ${a} and ${b}`);
  }
});

test('the largest values leave the axis of a chart finite', () => {
  assert.deepEqual([most, -most, 25.6, 0, null].map(drawable), [furthest, -furthest, 25.6, 0, null]);
  assert.equal(bandHeight({ min: -most, max: most }), 2 * furthest);
  assert.equal(bandHeight({ min: 20, max: 30 }), 10);
  assert.equal(bandHeight({ min: null, max: null }), null);
});

test('ticks and thresholds of huge values are short', () => {
  const locale = new Locale('en');
  assert.deepEqual([1e306, -2.5e300, 1e12, 999_999, 0.5].map((value) => locale.tick(value, undefined)), ['1e306', '-2.5e300', '1e12', '999,999', '0.5']);
  assert.equal(locale.threshold({ threshold: most }, undefined), '1.798e308');
});

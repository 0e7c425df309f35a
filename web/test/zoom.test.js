// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clipZoom, moveZoom, zoomBy, zoomOf, zoomOnto } from '../static/js/model/zoom.js';

const axis = { min: 1000, max: 2000 };

test('a zoom is of times, and none when everything is shown', () => {
  assert.deepEqual(zoomOf({ start: 20, end: 40, startValue: 1200, endValue: 1400 }), { from: 1200, to: 1400, newest: false });
  assert.deepEqual(zoomOf({ start: 80, end: 100, startValue: 1800, endValue: 2000 }), { from: 1800, to: 2000, newest: true });
  assert.equal(zoomOf({ start: 0, end: 100, startValue: 1000, endValue: 2000 }), null);
});

test('a zoom stays when the axis moves on, unless it was that of the present', () => {
  const past = { from: 1200, to: 1400, newest: false };
  assert.equal(moveZoom(past, { min: 1100, max: 2100 }), past);
  assert.deepEqual(moveZoom({ from: 1800, to: 2000, newest: true }, { min: 1100, max: 2100 }), { from: 1900, to: 2100, newest: true });
});

test('an axis that does not reach so far shows what it has, and all of the zoom again when it does', () => {
  const zoom = { from: 1200, to: 1400, newest: false };
  assert.deepEqual(clipZoom(zoom, { min: 1300, max: 2000 }), { from: 1300, to: 1400, newest: false });
  assert.equal(clipZoom(zoom, { min: 1500, max: 2000 }), null);
  assert.deepEqual(clipZoom(zoom, axis), zoom);
});

test('zooming by keys keeps a moment in its place, within the axis', () => {
  assert.deepEqual(zoomBy(null, axis, 0.5, 1200), { from: 1100, to: 1600, newest: false });
  assert.deepEqual(zoomBy(null, axis, 0.5), { from: 1500, to: 2000, newest: true });
  assert.deepEqual(zoomBy({ from: 1100, to: 1300, newest: false }, axis, 2), { from: 1000, to: 1400, newest: false });
  assert.equal(zoomBy({ from: 1100, to: 1700, newest: false }, axis, 2), null);
  const closest = zoomBy({ from: 1500, to: 1520, newest: false }, axis, 0.5);
  assert.deepEqual(closest, { from: 1500, to: 1520, newest: false });
});

test('a zoom moves no more than it takes to show a moment', () => {
  const zoom = { from: 1200, to: 1400, newest: false };
  assert.equal(zoomOnto(zoom, axis, 1300), zoom);
  assert.deepEqual(zoomOnto(zoom, axis, 1150), { from: 1150, to: 1350, newest: false });
  assert.deepEqual(zoomOnto(zoom, axis, 2000), { from: 1800, to: 2000, newest: true });
});

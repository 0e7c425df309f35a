// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearThresholds, thresholdsOf } from '../static/js/model/thresholds.js';

/** @typedef {import('../static/js/model/protocol.js').Alert} Alert */

/** @type {import('../static/js/model/protocol.js').AlertRule[]} */
const rules = [
  { alert_type: 'temperature_high', device_type: 't', severity: 'warning', threshold: 28 },
  { alert_type: 'temperature_critical', device_type: 't', severity: 'critical', threshold: 35 },
  { alert_type: 'too_cold', device_type: 't', severity: 'info', threshold: 28, below: true },
  { alert_type: 'humidity_high', device_type: 'h', severity: 'warning', threshold: 80 },
];

/**
 * @param {string} rule
 * @param {number} threshold
 */
function alert(rule, threshold) {
  return /** @type {Alert} */ (/** @type {unknown} */ ({ alert_type: rule, severity: 'warning', threshold }));
}

test('the thresholds of a type are those of its rules and of its open alerts, each once', () => {
  const thresholds = (/** @type {Alert[]} */ ...alerts) => thresholdsOf(rules, 't', alerts).map(({ threshold, below }) => [threshold, below]);
  assert.deepEqual(thresholds(), [[28, false], [35, false], [28, true]]);
  assert.deepEqual(thresholds(alert('temperature_high', 28)), thresholds(), 'an alert of a rule');
  assert.deepEqual(thresholds(alert('temperature_high', 26)).at(-1), [26, false], 'an alert of the rule before it was changed');
  assert.deepEqual(thresholds(alert('device_offline', 0)), thresholds(), 'silence has no threshold');
  assert.deepEqual(thresholdsOf(rules, 'unknown'), []);
});

test('a threshold far from all values is left out, or their line would be flat', () => {
  const near = (/** @type {(number | null)[]} */ ...values) => nearThresholds(thresholdsOf(rules, 't'), values).map(({ threshold }) => threshold);
  assert.deepEqual(near(20, null, 26), [28, 35, 28]);
  assert.deepEqual(near(24, 26), [28, 28]);
  assert.deepEqual(near(24, 24.5), []);
  assert.deepEqual(near(28), [28, 28], 'what lies on it is near');
  assert.deepEqual(near(null), []);
  assert.deepEqual(near(), []);
});

test('the thresholds of a device are its own where it has any', () => {
  const rules = [
    { alert_type: 'hot', device_type: 'oven', severity: /** @type {const} */ ('warning'), threshold: 28 },
    { alert_type: 'burning', device_type: 'oven', severity: /** @type {const} */ ('critical'), threshold: 35 },
  ];
  assert.deepEqual(thresholdsOf(rules, 'oven', [], { hot: 31, other: 1 }).map(({ threshold }) => threshold), [31, 35]);
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Locale } from '../static/js/locale/locale.js';
import { sameDisplay, shownAlert, shownSpec, shownValue } from '../static/js/model/display.js';
import { comparesValue } from '../static/js/model/alerts.js';
import { PlantStore } from '../static/js/model/plant.js';
import { comparing, nearThresholds, thresholdsOf } from '../static/js/model/thresholds.js';

/** @typedef {import('../static/js/model/protocol.js').Alert} Alert */

/** @type {import('../static/js/model/history.js').DeviceRule[]} */
const rules = [
  { alert_type: 'temperature_high', severity: 'warning', kind: 'threshold', threshold: 28 },
  { alert_type: 'temperature_critical', severity: 'critical', kind: 'threshold', threshold: 35 },
  { alert_type: 'too_cold', severity: 'info', kind: 'threshold', threshold: 28, below: true },
  { alert_type: 'rises_too_fast', severity: 'warning', kind: 'rise', threshold: 5 },
  { alert_type: 'quiet', severity: 'warning', kind: 'no_data' },
];

/**
 * @param {string} rule
 * @param {number} threshold
 */
function alert(rule, threshold) {
  return /** @type {Alert} */ (/** @type {unknown} */ ({ alert_type: rule, severity: 'warning', threshold }));
}

test('the thresholds of a type are those of its rules and of its open alerts, each once', () => {
  const thresholds = (/** @type {Alert[]} */ ...alerts) => thresholdsOf(comparing(rules), alerts).map(({ threshold, below }) => [threshold, below]);
  assert.deepEqual(thresholds(), [[28, false], [35, false], [28, true]]);
  assert.deepEqual(thresholds(alert('temperature_high', 28)), thresholds(), 'an alert of a rule');
  assert.deepEqual(thresholds(alert('temperature_high', 26)).at(-1), [26, false], 'an alert of the rule before it was changed');
  assert.deepEqual(thresholds(alert('device_offline', 0)), thresholds(), 'silence has no threshold');
  assert.deepEqual(thresholds(alert('rises_too_fast', 5)), thresholds(), 'that of another condition is no value on the axis');
  assert.deepEqual(thresholdsOf(comparing(undefined)), [], 'as long as its rules are not known');
});

test('a threshold far from all values is left out, or their line would be flat', () => {
  const near = (/** @type {(number | null)[]} */ ...values) => nearThresholds(thresholdsOf(comparing(rules)), values).map(({ threshold }) => threshold);
  assert.deepEqual(near(20, null, 26), [28, 35, 28]);
  assert.deepEqual(near(24, 26), [28, 28]);
  assert.deepEqual(near(24, 24.5), []);
  assert.deepEqual(near(28), [28, 28], 'what lies on it is near');
  assert.deepEqual(near(null), []);
  assert.deepEqual(near(), []);
});

test('the thresholds of a device are its own where it has any', () => {
  const rules = [
    { alert_type: 'hot', kind: 'threshold', severity: /** @type {const} */ ('warning'), threshold: 31, usual_threshold: 28 },
    { alert_type: 'burning', kind: 'threshold', severity: /** @type {const} */ ('critical'), threshold: 35 },
  ];
  assert.deepEqual(thresholdsOf(comparing(rules)).map(({ threshold, own }) => [threshold, own]), [[31, true], [35, undefined]]);
});

test('a value is shown in the unit that people want to see, with as much of it as in the other', () => {
  const locale = new Locale('en');
  const spec = (/** @type {string} */ unit, /** @type {number} */ decimals) => /** @type {import('../static/js/model/protocol.js').TypeSpec} */ ({ name: 'x', unit, decimals, min: 0, max: 1, labels: {} });
  const words = (/** @type {number} */ value, /** @type {any} */ type, /** @type {any} */ display) => locale.reading(value, type, display);
  assert.equal(words(20, spec('°C', 1), { unit: '°F', scale: 1.8, offset: 32 }), '68.0\u00a0°F');
  assert.equal(words(1013.7, spec('hPa', 1), { unit: 'bar', scale: 0.001, offset: 0 }), '1.0137\u00a0bar');
  assert.equal(words(1013.7, spec('hPa', 1), { unit: 'kPa', scale: 0.1, offset: 0 }), '101.37\u00a0kPa');
  assert.equal(words(1.25, spec('A', 2), { unit: 'mA', scale: 1000, offset: 0 }), '1,250\u00a0mA');
  assert.equal(words(1.25, spec('A', 2), undefined), '1.25\u00a0A');
  assert.equal(shownSpec(undefined, { unit: 'K', scale: 1, offset: 273.15 }), undefined);
  assert.equal(shownValue(3, undefined), 3);
  assert.ok(sameDisplay(undefined, undefined) && !sameDisplay(undefined, { unit: 'K', scale: 1, offset: 273.15 }));
  const hot = alert('temperature_high', 28);
  const kelvin = { unit: 'K', scale: 1, offset: 273.15 };
  assert.equal(shownAlert({ ...hot, current_value: 30 }, kelvin).current_value, 303.15);
  const silent = alert('device_clock_step', 0);
  assert.equal(shownAlert(silent, kelvin), silent, 'seconds are no degrees');
});

test('an alert compares a value if the server says no more of it, in whatever way its rule is known', () => {
  const says = (/** @type {string} */ message) => comparesValue({ message });
  assert.ok(says('温度超过阈值: 28.1°C > 28°C') && says('Flow低于阈值: 1,000L < 2,000L'));
  assert.ok(!says('温度10分钟内平均值超过阈值: 28.1°C > 28°C') && !says('温度上升过快: 40°C, 1分钟内上升超过 5°C') && !says('too hot: 28.1°C'));
});

test('the rules of a type are those that hold for all of its devices, and a change of any rule is said', () => {
  const plant = new PlantStore();
  /** @type {unknown[]} */
  const said = [];
  plant.subscribe((change) => said.push(change.rules ?? false), { signal: new AbortController().signal });
  const hello = /** @type {import('../static/js/model/protocol.js').Hello} */ (/** @type {unknown} */ ({ server_version: '1', window_seconds: 30, device_types: [], alert_rules: [{ alert_type: 'hot', device_type: 'oven', severity: 'info', threshold: 28 }] }));
  plant.apply(hello);
  assert.deepEqual(plant.rulesOf('oven').map(({ threshold }) => threshold), [28]);
  plant.applyRules([]);
  assert.deepEqual(plant.rulesOf('oven'), []);
  plant.apply(hello);
  plant.windowSeconds = 60;
  assert.deepEqual(said, [false, true, true, false], 'not the first time, but when the page was away');
});

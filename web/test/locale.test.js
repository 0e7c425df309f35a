// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { texts as device } from '../static/js/components/device/texts.js';
import { texts as components } from '../static/js/components/texts.js';
import { preferredLanguage } from '../static/js/locale/language.js';
import { Locale } from '../static/js/locale/locale.js';
import { visible } from '../static/js/locale/visible.js';

/** @typedef {import('../static/js/model/protocol.js').Alert} Alert */

const temperature = { name: 'temperature_sensor', unit: '°C', decimals: 1, min: -273, max: 2000, labels: { en: 'Temperature', zh: '温度' } };
const humidity = { name: 'humidity_sensor', unit: '%', decimals: 1, min: 0, max: 100, labels: { en: 'Humidity', zh: '湿度' } };
const switches = { name: 'switch_sensor', unit: '', decimals: 0, min: 0, max: 1, labels: { en: 'Switch' }, states: ['OFF', 'ON'] };

test('a value is put in as it is, even one that looks like a gap', () => {
  assert.equal(new Locale('en').t(device.deviceUnknown, { id: '{id} $& <b>' }), 'There is no device “{id} $& <b>”.');
});

test('numbers in sentences are formatted, and decide on the plural', () => {
  const [en, zh] = [new Locale('en'), new Locale('zh')];
  assert.deepEqual([1, 2, 1234].map((count) => en.t(components.announceMany, { count })), ['1 new alert', '2 new alerts', '1,234 new alerts']);
  assert.equal(zh.t(components.announceMany, { count: 1 }), '1 条新告警');
});

test('the language is the first one of the reader that the page has', () => {
  assert.equal(preferredLanguage(['fr-FR', 'zh-TW', 'en']), 'zh');
  assert.equal(preferredLanguage(['en-US', 'zh-CN']), 'en');
  assert.equal(preferredLanguage(['fr']), 'en');
});

test('readings have the digits and the unit of their type, and switches a name', () => {
  const locale = new Locale('en');
  assert.equal(locale.reading(25.64, temperature), '25.6\u00a0°C');
  assert.equal(locale.reading(1013.251, undefined), '1,013.25');
  assert.equal(locale.reading(51, humidity), '51.0%');
  assert.deepEqual([0, 1].map((value) => locale.reading(value, switches)), ['OFF', 'ON']);
});

test('the average of switches is the share of those that are on', () => {
  const locale = new Locale('en');
  assert.equal(locale.aggregate(0.43, switches), '43% ON');
  assert.equal(locale.aggregate(1, switches), 'ON');
  assert.equal(locale.aggregate(null, temperature), '–');
  assert.deepEqual([0, 0.5, 1, 1.2].map((value) => locale.tick(value, switches)), ['OFF', '50%', 'ON', '']);
});

/** @param {Partial<Alert>} fields */
const alert = (fields) => /** @type {Alert} */ ({ device_type: 'temperature_sensor', alert_type: 'r', state: 'raised', current_value: 28.1, threshold: 28, ...fields });

for (const { name, fields, words } of [
  { name: 'too high', fields: {}, words: ['Temperature above 28\u00a0°C', '温度超过阈值 28\u00a0°C'] },
  { name: 'high and cleared', fields: { state: 'cleared', current_value: 27 }, words: ['Temperature above 28\u00a0°C', '温度超过阈值 28\u00a0°C'] },
  { name: 'too low', fields: { current_value: 3, below: true }, words: ['Temperature below 28\u00a0°C', '温度低于阈值 28\u00a0°C'] },
  { name: 'low and cleared', fields: { state: 'cleared', current_value: 29, below: true }, words: ['Temperature below 28\u00a0°C', '温度低于阈值 28\u00a0°C'] },
  { name: 'high and over at once', fields: { state: 'cleared', current_value: 30, historical: true }, words: ['Temperature above 28\u00a0°C', '温度超过阈值 28\u00a0°C'] },
  { name: 'offline', fields: { alert_type: 'device_offline', current_value: 0, threshold: 0 }, words: ['Device offline', '设备离线'] },
]) {
  test(`an alert that is ${name} is worded from its fields`, () => {
    const said = /** @type {const} */ (['en', 'zh']).map((language) => new Locale(language).alertWords(alert(/** @type {any} */ (fields)), temperature));
    assert.deepEqual(said, words);
  });
}

test('invisible characters in the texts of devices are written as their codes', () => {
  assert.equal(visible('valve-\u202e10'), 'valve-[U+202E]10');
  assert.equal(visible('a\u200bb\u00adc\u0000d\u2066e\u3164f\u{e0041}'), 'a[U+200B]b[U+00AD]c[U+0000]d[U+2066]e[U+3164]f[U+E0041]');
  assert.equal(visible('料罐 צנור-3 ☃'), '料罐 צנור-3 ☃');
  const locale = new Locale('en');
  assert.equal(locale.shortPlace({ building: 'Hall \u202e7', floor: 2, room: '' }), 'Hall [U+202E]7 2F');
  assert.equal(locale.typeName('oven\u200b', undefined), 'oven[U+200B]');
});

test('a type without a name in the language has the English one, and one without names that on the wire', () => {
  const [english, chinese] = [new Locale('en'), new Locale('zh')];
  const named = (/** @type {Record<string, string> | null} */ labels) => ({ ...temperature, name: 'valve', labels });
  assert.equal(chinese.typeName('valve', named({ en: 'Valve' })), 'Valve');
  assert.equal(english.typeName('valve', named({ zh: '阀门' })), 'valve');
  for (const labels of [{}, null]) { // Servers of older versions send null.
    assert.equal(english.typeName('valve', named(labels)), 'valve');
    assert.equal(chinese.typeName('valve', named(labels)), 'valve');
  }
});

test('places leave out unknown parts', () => {
  const locale = new Locale('zh');
  assert.equal(locale.place({ building: 'A栋', floor: 3, room: '301' }), 'A栋 3 层 301 室');
  assert.equal(locale.shortPlace({ building: 'A栋', floor: 0 }), 'A栋 0层');
  assert.equal(locale.place(undefined), '');
});

test('ages are written in the largest unit that fits', () => {
  const locale = new Locale('en');
  assert.deepEqual([-5, 59_999, 60_000, 3_600_000, 172_800_000].map((ms) => locale.ago(ms)), ['0 s ago', '59 s ago', '1 min ago', '1 h ago', '2 d ago']);
});

test('numbers of any size stay short, and zero has no sign', () => {
  const en = new Locale('en');
  assert.equal(en.number(1.7e308, 1), '1.700e308');
  assert.equal(en.number(-1.7e308, 1), '-1.700e308');
  assert.equal(en.number(5e-324, 1), '4.941e-324');
  assert.equal(en.number(-0, 1), '0.0');
  assert.equal(en.number(123456.78, 1), '123,456.8');
});

test('a reading that is not to be relied on says so', () => {
  const [en, zh] = [new Locale('en'), new Locale('zh')];
  assert.equal(en.remark({ quality: 'good' }), '');
  assert.equal(zh.remark({}), '');
  assert.equal(en.remark({ quality: 'uncertain' }), 'uncertain');
  assert.equal(en.remark({ quality: 'bad', historical: true }), 'bad, past');
  assert.match(zh.remark({ quality: 'bad', historical: true }), /历史补传$/);
});

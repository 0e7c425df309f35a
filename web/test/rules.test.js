// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alertsOfRule } from '../static/js/components/rule/alerts-link.js';
import { conditionWords, partWords, scopeWords, spanWords } from '../static/js/components/rule/words.js';
import { Locale } from '../static/js/locale/locale.js';
import { differentParts, kinds, openByRule, ruleOfAlert, ruleParts, selectedRules } from '../static/js/model/rules.js';

/**
 * @typedef {import('../static/js/model/rules.js').ShownRule} ShownRule
 * @typedef {import('../static/js/model/rules.js').Condition} Condition
 */

const spec = { name: 'temperature_sensor', unit: '°C', decimals: 1, min: -50, max: 150, labels: { en: 'Temperature', zh: '温度' } };
const door = { name: 'switch_sensor', unit: '', decimals: 0, min: 0, max: 1, labels: { en: 'Switch', zh: '开关' }, states: ['OFF', 'ON'] };

/** What words need of a session. @param {import('../static/js/locale/language.js').Language} language */
function session(language) {
  const locale = new Locale(language);
  const specs = new Map([spec, door].map((one) => [one.name, one]));
  return /** @type {import('../static/js/app/session.js').Session} */ (/** @type {unknown} */ ({ locale, plant: { specs }, typeName: (/** @type {string} */ type) => locale.typeName(type, specs.get(type)) }));
}

/** @param {Partial<ShownRule>} [more] @returns {ShownRule} */
const rule = (more = {}) => ({ name: 'high', version: 1, origin: 'decided', device_type: 'temperature_sensor', condition: { kind: 'threshold', threshold: 28 }, severity: 'warning', ...more });

test('every condition is said in both languages', () => {
  /** @type {[Condition, string, string][]} */
  const said = [
    [{ kind: 'threshold', threshold: 28, hysteresis: 0.5 }, 'A value above 28 °C; deadband 0.5 °C', '数值高于 28 °C；回差 0.5 °C'],
    [{ kind: 'threshold', below: true }, 'A value below 0 °C', '数值低于 0 °C'],
    [{ kind: 'rise', threshold: 5, within_seconds: 90 }, 'A rise by more than 5 °C within 90 s', '90 秒内上升超过 5 °C'],
    [{ kind: 'fall', threshold: 5, within_seconds: 7200 }, 'A fall by more than 5 °C within 2 h', '2 小时内下降超过 5 °C'],
    [{ kind: 'stuck', within_seconds: 86400 }, 'No change at all for 1 d', '1 天内没有任何变化'],
    [{ kind: 'stuck', threshold: 0.1, within_seconds: 60 }, 'No change by more than 0.1 °C for 1 min', '1 分钟内变化不超过 0.1 °C'],
    [{ kind: 'average', threshold: 28, within_seconds: 600 }, 'An average of 10 min above 28 °C', '10 分钟平均值高于 28 °C'],
    [{ kind: 'maximum', threshold: 28, within_seconds: 600 }, 'A maximum of 10 min above 28 °C', '10 分钟最大值高于 28 °C'],
    [{ kind: 'minimum', threshold: 2, below: true, within_seconds: 600 }, 'A minimum of 10 min below 2 °C', '10 分钟最小值低于 2 °C'],
    [{ kind: 'count', threshold: 3, limit: 80, within_seconds: 600, hysteresis: 1 }, 'More than 3 values within 10 min above 80 °C; deadband 1', '10 分钟内高于 80 °C 的数值超过 3 个；回差 1'],
    [{ kind: 'fraction', threshold: 0.25, limit: 80, below: true, within_seconds: 600 }, 'More than 25% of the values within 10 min below 80 °C', '10 分钟内低于 80 °C 的数值占比超过 25%'],
    [{ kind: 'of_last', threshold: 2, limit: 80, last: 5 }, 'More than 2 of the last 5 values above 80 °C', '最近 5 个数值中高于 80 °C 的超过 2 个'],
    [{ kind: 'deviation', threshold: 3, hysteresis: 0.5 }, 'A value that differs by more than 3 °C from the median of its area and type; deadband 0.5 °C', '数值与同区域同类型设备的中位数相差超过 3 °C；回差 0.5 °C'],
    [{ kind: 'no_data', within_seconds: 120 }, 'Nothing received for 2 min', '2 分钟没有收到任何数据'],
    [{ kind: 'levels', levels: { high: { limit: 90 }, low_low: { limit: 0, severity: 'critical' } } }, 'A value beyond low-low 0 °C (critical), high 90 °C', '数值超出低低限 0 °C（严重），高限 90 °C'],
    [{ kind: 'expression', expression: 'value > average', within_seconds: 60 }, 'value > average (over 1 min)', 'value > average（时段 1 分钟）'],
    [{ kind: 'offline' }, 'The device is silent, or says that it is offline', '设备静默，或报告离线'],
    [{ kind: 'of a newer server' }, 'of a newer server', 'of a newer server'],
  ];
  assert.deepEqual(kinds.filter((kind) => !said.some(([condition]) => condition.kind === kind)), []);
  for (const [condition, en, zh] of said) {
    assert.equal(conditionWords(rule({ condition }), session('en')).replaceAll('\u00a0', ' '), en);
    assert.equal(conditionWords(rule({ condition }), session('zh')).replaceAll('\u00a0', ' '), zh);
  }
  assert.equal(conditionWords(rule({ device_type: 'switch_sensor', condition: { kind: 'threshold', threshold: 1, below: true } }), session('en')), 'A value below ON');
  assert.equal(spanWords(0.5, new Locale('en')), '0.5 s');
});

test('every part of a rule has words, and invisible characters are seen', () => {
  const full = rule({ area: 'hall\u200b3', labels: { line: '7' }, devices: ['a', 'b', 'c', 'd'], except: [{ area: 'x' }, { devices: ['e'] }], latch: true, disabled: true, text: '热', procedure: 'https://x' });
  for (const one of [full, rule()]) for (const part of ruleParts) assert.ok(partWords(part, one, session('en')), part);
  assert.equal(partWords('area', full, session('en')), 'hall[U+200B]3');
  assert.equal(partWords('except', full, session('en')), 'area x; e');
  assert.equal(partWords('disabled', full, session('en')), 'no');
  assert.equal(scopeWords(full, new Locale('en')), 'area hall[U+200B]3, line=7, 4 devices');
});

test('what differs between versions is named by its part; what is left out says the same as what is empty', () => {
  const before = rule({ labels: { a: '1', b: '2' }, condition: { kind: 'threshold', threshold: 0 } });
  assert.deepEqual(differentParts(before, rule({ labels: { b: '2', a: '1' }, condition: { kind: 'threshold' }, latch: false, except: undefined })), []);
  assert.deepEqual(differentParts(before, rule({ labels: { a: '1' }, condition: { kind: 'threshold', threshold: 1 }, disabled: true, for_seconds: 3 })), ['condition', 'for_seconds', 'labels', 'disabled']);
});

test('rules are narrowed by what they are, and by their open alerts', () => {
  const rules = [
    rule(), rule({ name: 'tank', condition: { kind: 'levels' }, severity: 'critical', area: 'Hall 3', disabled: true }),
    rule({ name: 'jump', condition: { kind: 'expression', expression: 'value > PREVIOUS' }, device_type: undefined, text_en: 'It jumps' }),
  ];
  assert.deepEqual(selectedRules(/** @type {import('../static/js/model/rules.js').ShownRule[]} */ ([{ name: 'a', condition: { kind: 'expression' }, failing_devices: 2 }, { name: 'b', condition: { kind: 'stuck' } }]), { search: '', kind: '', severity: '', type: '', state: 'failing' }, new Map()).map(({ name }) => name), ['a']);
  const open = openByRule(/** @type {import('../static/js/model/protocol.js').Alert[]} */ ([{ alert_type: 'tank.high', state: 'raised' }, { alert_type: 'tank.high_high', state: 'updated' }, { alert_type: 'jump', state: 'cleared' }]));
  assert.deepEqual([...open], [['tank', 2]]);
  const found = (/** @type {Partial<import('../static/js/model/rules.js').RuleQuery>} */ query) => selectedRules(rules, { search: '', kind: '', severity: '', type: '', state: '', ...query }, open).map(({ name }) => name).join();
  assert.equal(found({}), 'high,tank,jump');
  assert.equal(found({ search: ' HALL' }), 'tank');
  assert.equal(found({ search: 'previous' }), 'jump');
  assert.equal(found({ search: 'jumps' }), 'jump');
  assert.equal(found({ kind: 'levels' }), 'tank');
  assert.equal(found({ severity: 'warning', type: 'temperature_sensor' }), 'high');
  assert.equal(found({ state: 'disabled' }), 'tank');
  assert.equal(found({ state: 'enabled' }), 'high,jump');
  assert.equal(found({ state: 'open' }), 'tank');
});

test('the alerts of a level lead to its rule, and the rule to all of them', () => {
  for (const [alert, name] of [['tank.high', 'tank'], ['tank.low_low', 'tank'], ['tank.rule_failed', 'tank'], ['a.b', 'a.b'], ['high', 'high']]) assert.equal(ruleOfAlert(String(alert)), name);
  assert.equal(alertsOfRule(rule({ name: 'a&b' })), 'alerts?rule=a%26b');
  assert.equal(alertsOfRule(rule({ name: 'tank', condition: { kind: 'levels' } })), 'alerts?search=tank.');
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configuration, madeTypes, proposedRule, typedTags, writtenTags } from '../static/js/model/source-rules.js';
import { base64Of, laidOut, problemOf, selectedSources, SourceRates } from '../static/js/model/sources.js';

/**
 * @typedef {import('../static/js/model/sources.js').Source} Source
 * @typedef {import('../static/js/model/sources.js').Topic} Topic
 */

/**
 * @param {string} name
 * @param {Partial<Source>} [more]
 * @returns {Source}
 */
function source(name, more = {}) {
  return {
    name, kind: 'mqtt', state: 'connected', since: '2026-03-01T12:00:00Z', connections: 1, messages: 0, readings: 0, rejected: 0, rejected_by: {}, untimed: 0, unmapped: 0, skipped: 0, missed: 0,
    counted_at: '2026-03-01T12:00:00Z', ...more,
  };
}

test('rates are those between two countings, whenever the answers come', () => {
  const rates = new SourceRates();
  rates.apply([source('a', { messages: 10 })]);
  assert.equal(rates.of('a'), undefined);
  const next = source('a', { messages: 30, readings: 10, counted_at: '2026-03-01T12:00:05Z' });
  rates.apply([next]);
  assert.deepEqual(rates.of('a'), { messages: 4, readings: 2, rejected: 0 });
  // In separate services the same counting is answered several times.
  rates.apply([next]);
  assert.deepEqual(rates.of('a'), { messages: 4, readings: 2, rejected: 0 });
  // Another program runs it now.
  rates.apply([source('a', { messages: 2, counted_at: '2026-03-01T12:00:10Z' })]);
  assert.equal(rates.of('a'), undefined);
  rates.apply([source('a', { messages: 4, counted_at: '2026-03-01T12:00:12Z' })]);
  assert.equal(rates.of('a')?.messages, 1);
  rates.apply([source('a', { state: 'unknown', messages: 4, counted_at: '2026-03-01T12:00:12Z' })]);
  assert.equal(rates.of('a'), undefined);
});

test('sources in trouble come first', () => {
  const all = [source('a'), source('b', { state: 'failed', error: 'refused' }), source('c', { log_error: 'no answer' }), source('d', { state: 'waiting', error: 'of before' }),
    source('e', { map_error: 'no type' })];
  const names = (/** @type {{search?: string, state?: string}} */ query) => selectedSources(all, { search: '', state: '', ...query }).map(({ name }) => name).join('');
  assert.deepEqual([names({}), names({ state: 'trouble' }), names({ state: 'waiting' }), names({ search: 'A' }), names({ search: 'mqtt' })], ['bcead', 'bce', 'd', 'a', 'bcead']);
  assert.deepEqual(all.map(problemOf), ['', 'refused', 'no answer', '', 'no type']);
});

test('a message is laid out if it is JSON, and its bytes are known', () => {
  const sample = (/** @type {string} */ payload, complete = true) => ({ encoding: /** @type {const} */ ('utf-8'), payload, size: payload.length, complete });
  assert.equal(laidOut(sample('{"a":1}')), '{\n  "a": 1\n}');
  for (const text of ['not JSON', '20.5', '{"a":', '"x"']) assert.equal(laidOut(sample(text)), text);
  assert.equal(laidOut(sample('{"a":1}', false)), '{"a":1}');
  assert.equal(base64Of(sample('é')), 'w6k=');
});

/**
 * @param {string} name
 * @param {...import('../static/js/model/sources.js').SourceValue} values
 * @returns {Topic}
 */
const topic = (name, ...values) => ({ topic: name, count: 1, at: '', values, value_count: values.length });
const units = new Map([['temperature_sensor', '°C'], ['humidity_sensor', '%'], ['pressure_sensor', 'hPa'], ['switch_sensor', '']]);

test('a rule is proposed for a value and for those like it', () => {
  const temp = { field: 'temp', number: 20, guessed_type: 'temperature_sensor' };
  const press = topic('plant/press/state', temp, { field: 'name', text: 'x' });
  const topics = [press, topic('plant/oven/state', temp), topic('plant/oven/state/raw', temp), topic('other/hall/x', temp)];
  assert.deepEqual(proposedRule(press, temp, { topics, units }), { topic: 'plant/+/state', field: 'temp', device: '{{topic 2}}', type: 'temperature_sensor' });
  // Alone, with other numbers beside it; with a type that the page does not know yet.
  const newer = { ...temp, guessed_type: 'level' };
  assert.equal(proposedRule(topic('a', newer), newer, { topics: [], units }).type, 'temperature_sensor');
  const alone = topic('a/b{c', { field: 'x', number: 1, unit: '%', guessed_type: 'humidity_sensor' }, { field: 'y', number: 2 });
  const [x] = alone.values;
  assert.ok(x);
  assert.deepEqual(proposedRule(alone, x, { topics: [alone], units }), { topic: 'a/b{c', field: 'x', device: 'b_c-{field}', type: 'humidity_sensor', unit: '%' });
  const tagged = { field: 'on', text: 'true', guessed_type: 'switch_sensor', tags: { site: 'n', host: 'h1' }, measurement: 'm' };
  assert.deepEqual(proposedRule(topic('', tagged), tagged, { topics: [], units }), { measurement: 'm', field: 'on', device: '{host}', type: 'switch_sensor' });
  // A client of the broker is often a gateway, or has another id at each connection: topics and users come first.
  const of = (/** @type {Record<string, string>} */ tags) => ({ field: 'temp', number: 1, tags });
  const gateway = topic('zigbee2mqtt/plug-1', of({ client_id: 'mqttjs_1a2b' }));
  const others = [gateway, topic('zigbee2mqtt/plug-2', of({ client_id: 'mqttjs_1a2b' }))];
  const device = (/** @type {Topic} */ seen, /** @type {Topic[]} */ topics) => proposedRule(seen, seen.values[0] ?? of({}), { topics, units }).device;
  assert.equal(device(gateway, others), '{{topic 2}}');
  assert.equal(device(topic('telemetry', of({ client_id: 'press-7' })), []), '{client_id}');
  assert.equal(device(topic('telemetry', of({ client_id: 'auto-a69987511df1' })), []), 'telemetry');
  assert.equal(device(topic('telemetry', of({ client_id: 'press-7', username: 'hall-3' })), []), '{username}');
  assert.equal(device(topic('/leading//level/', of({})), []), 'level', 'not nothing, where a topic ends with a slash');
});

test('the configuration is YAML, with every text as it was', () => {
  const rules = [
    { field: 'temp', device: '{{topic 2}}', topic: 'plant/+/state', type: 'temperature_sensor', unit: '°C', tags: { site: 'no: "x"' }, scale: 0.1, room: '' },
    { field: 'on', device: 'true', type: 'switch_sensor', words: { auf: 1 }, status: { online: ['yes', 'an'] } },
  ];
  assert.equal(configuration({ name: 'hall-3', kind: 'mqtt' }, rules, 'rest'), `sources:
  - name: hall-3
    # rest
    map:
      - topic: "plant/+/state"
        tags:
          site: "no: \\"x\\""
        field: temp
        device: "{{topic 2}}"
        type: temperature_sensor
        unit: "°C"
        scale: 0.1
      - field: "on"
        device: "true"
        type: switch_sensor
        words:
          auf: 1
        status:
          online: ["yes", an]
`);
  assert.match(configuration({ name: 'a', kind: 'mqtt' }, [], 'rest'), /map: \[\]\n$/);
  const broker = { name: 'mqtt-broker', kind: 'mqtt_broker' };
  assert.equal(configuration(broker, [{ field: 'temp', device: 'oven' }], 'rest'), 'mqtt_broker:\n  # rest\n  map:\n    - field: temp\n      device: oven\n');
});

test('tags are typed as they are written', () => {
  const tags = { site: 'north', formula: 'a=b', list: 'a, b,c', path: 'C:\\a\\', 'x=y\\,z': '\\,', empty: '' };
  assert.deepEqual(typedTags(writtenTags(tags)), tags);
  assert.equal(writtenTags({ formula: 'a=b', list: 'a,b' }), 'formula=a=b, list=a\\,b');
  assert.deepEqual(typedTags(' site = north ,, =x, alone, path=C:\\a'), { site: 'north', alone: '', path: 'C:\\a' });
  assert.deepEqual(typedTags(''), {});
});

test('a rule that makes a type says so, and is written with it', () => {
  const rules = [
    { field: 'flow', device: 'pump', type: 'flow_sensor', define: { unit: 'L/min', max: 400, labels: { en: 'Flow', zh: '流量' } } },
    { field: 'return', device: 'pump-r', type: 'flow_sensor', define: { unit: 'L/min', max: 400 } },
    { field: 't', device: 'd', type: 'temperature_sensor' },
    { field: 'x', device: 'd', type: '', define: {} },
  ];
  const known = new Map([['temperature_sensor', {}]]);
  assert.deepEqual(madeTypes(rules, known), ['flow_sensor']);
  assert.deepEqual(madeTypes(rules, known.set('flow_sensor', {})), []);
  assert.match(configuration({ name: 'hall-3', kind: 'mqtt' }, rules.slice(0, 1), 'x'), /type: flow_sensor\n +define:\n +unit: "L\/min"\n +max: 400\n +labels:\n +en: Flow\n +zh: "流量"\n/);
});

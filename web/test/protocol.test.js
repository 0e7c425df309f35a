// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage, socketAddress } from '../static/js/model/protocol.js';

test('a complete message is read as it is', () => {
  const message = { type: 'device_data', seq: 7, timestamp: '2026-03-01T12:00:00Z', devices: [] };
  assert.deepEqual(parseMessage(JSON.stringify(message)), message);
});

test('a message of a type from a newer server is passed over', () => {
  assert.equal(parseMessage('{"type":"weather","seq":1}'), null);
});

for (const text of ['', 'null', '[]', '"hello"', '{}', '{"type":"alert"}', '{"type":1,"seq":1}', '{"type":"alert","seq":1}',
  '{"type":"device_data","seq":1,"devices":{}}', '{"type":"aggregated_data","seq":1,"window_start":"soon","data":{}}',
  '{"type":"aggregated_data","seq":1,"window_start":"2026-03-01T12:00:00Z","data":null}']) {
  test(`${text || 'nothing'} is refused`, () => assert.throws(() => parseMessage(text), SyntaxError));
}

test('the address follows the page, and resumes where it can', () => {
  const page = { protocol: 'http:', host: 'plant:8080' };
  assert.equal(socketAddress(page, '/ws', null), 'ws://plant:8080/ws?batch=true');
  assert.equal(socketAddress({ ...page, protocol: 'https:' }, '/live', null), 'wss://plant:8080/live?batch=true');
  assert.equal(socketAddress(page, '/ws', { session: 'a&b', since: 12 }), 'ws://plant:8080/ws?batch=true&session=a%26b&since=12');
});

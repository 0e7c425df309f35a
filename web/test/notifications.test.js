// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Locale } from '../static/js/locale/locale.js';
import { History } from '../static/js/model/history.js';
import { channels, deliveries, resend, routes, testChannel, turnsFrom } from '../static/js/model/notifications.js';
import { aboutWords, channelKind, selectionWords, spanWords, targetWords, whenNotified, whoWords } from '../static/js/pages/notifications/words.js';

/** @typedef {import('../static/js/model/notifications.js').NotificationRoute} NotificationRoute */

test('deliveries are narrowed by what is given, and a message is sent again by its id, whatever that contains', async () => {
  /** @type {string[]} */
  const asked = [];
  const fetcher = async (/** @type {any} */ address, /** @type {RequestInit} */ { method = 'GET', body = '' }) => {
    asked.push([method, String(address), body].filter(Boolean).join(' '));
    return new Response('{"items": []}');
  };
  const history = new History('', /** @type {typeof fetch} */ (fetcher));
  await channels(history);
  await routes(history);
  await deliveries(history, { channel: '', state: '', cursor: '' });
  await deliveries(history, { channel: 'mail & co', state: 'failed', cursor: 'c' });
  await resend(history, 'd/1');
  await testChannel(history, 'mail');
  assert.deepEqual(asked.map((request) => request.replace('api/v1/notifications/', '')), [
    'GET channels?',
    'GET routes?',
    'GET deliveries?limit=50',
    'GET deliveries?channel=mail+%26+co&state=failed&cursor=c&limit=50',
    'POST deliveries/d%2F1/resend',
    'POST test {"channel":"mail"}',
  ]);
});

test('who is on call is said from now on', () => {
  const turn = (/** @type {number} */ from, /** @type {string} */ who) => ({ from: new Date(from).toISOString(), until: new Date(from + 1000).toISOString(), channels: [who] });
  const turns = [turn(1000, 'over'), turn(2000, 'just over'), turn(2500, 'now'), turn(3500, 'next')];
  assert.deepEqual(turnsFrom(turns, 3000), [{ from: 3000, until: 3500, channels: ['now'] }, { from: 3500, until: 4500, channels: ['next'] }]);
});

const en = new Locale('en');
const zh = new Locale('zh');
const session = /** @type {import('../static/js/app/session.js').Session} */ (/** @type {unknown} */ ({ locale: en, typeName: (/** @type {string} */ type) => `Type ${type}` }));

/** @param {Partial<NotificationRoute>} [more] @returns {NotificationRoute} */
const route = (more = {}) => ({ name: 'night', time_zone: 'Asia/Shanghai', group_by: ['rule', 'area'], wait_seconds: 30, interval_seconds: 300, repeat_seconds: 0, ...more });

test('a route that narrows nothing is about every alert, another says what it is about', () => {
  const all = selectionWords(route(), session);
  const one = selectionWords(route({ severities: ['critical', 'warning'], areas: ['Hall 3\u200b'], types: ['oven'], rules: ['high'], tenants: [], labels: { line: '7' }, times: [{ days: ['sat', 'sun'], from: '00:00', to: '24:00' }] }), session);
  for (const part of ['Critical, Warning', 'Hall 3[U+200B]', 'Type oven', 'high', 'line=7', 'Sat, Sun', 'Asia/Shanghai']) assert.ok(one.includes(part), `${part} in ${one}`);
  assert.ok(all && !one.includes(all));
});

test('a route says when it notifies, whom it escalates to and when it is quiet', () => {
  const plain = whenNotified(route(), en);
  assert.match(plain.join(' · '), /30 s.*5 min/);
  assert.equal(plain.length, 3, plain.join(' · '));
  const full = whenNotified(route({ repeat_seconds: 7200, escalate: [{ after_seconds: 600, channels: ['mail'], on_call: ['shift'] }], quiet: [{ from: '22:00', to: '06:00' }], group_by: ['of a newer server'], continue: true }), en);
  assert.equal(full.length, 6);
  const words = full.join(' · ');
  for (const part of ['2 h', '10 min', 'mail', 'shift', '22:00', 'of a newer server']) assert.ok(words.includes(part), `${part} in ${words}`);
  assert.equal(whoWords({ channels: ['mail'] }, zh), 'mail');
  assert.equal(whoWords({}, en), '');
});

test('times of every day name no days', () => {
  const daily = spanWords([{ from: '22:00', to: '06:00' }], 'UTC', en);
  assert.ok(/22:00.*06:00.*UTC/.test(daily) && !/Mon|Sun/.test(daily), daily);
});

test('what is sent says what it is about: one group in full, several by their number', () => {
  const group = { route: 'night', severity: /** @type {const} */ ('critical'), open: 2, over: 1, alerts: [] };
  const delivery = (/** @type {any} */ message, kind = 'raised') => /** @type {import('../static/js/model/notifications.js').Delivery} */ (/** @type {unknown} */ ({ kind, message }));
  assert.equal(aboutWords(delivery({ groups: null }, 'test'), session), '');
  const one = aboutWords(delivery({ groups: [{ ...group, alert_type: 'high', area: 'Hall 3', device_type: 'oven', device_id: 'kiln\u202e' }] }), session);
  assert.match(one, /^high · Hall 3 · Type oven · kiln\[U\+202E\] · .*2/);
  const many = aboutWords(delivery({ groups: [group, group], omitted: 5 }), session);
  assert.match(many, /7.* · .*4/);
  assert.doesNotMatch(aboutWords(delivery({ groups: [group] }), session), /^ ·/);
});

test('where a message goes is a channel and perhaps somebody of it', () => {
  assert.equal(targetWords({ channel: 'mail' }, en), 'mail');
  const words = targetWords({ channel: 'mail', recipient: 'a@b\u202e' }, en);
  assert.ok(words.includes('a@b[U+202E]') && words.includes('mail'), words);
  assert.notEqual(channelKind('mail', en), channelKind('mail', zh));
  assert.equal(channelKind('slack', zh), 'Slack');
  assert.equal(channelKind('of a newer server', en), 'of a newer server');
});

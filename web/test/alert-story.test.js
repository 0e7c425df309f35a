// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alertTime, procedureAddress, storyOf } from '../static/js/model/alert-story.js';
import { AlertListing } from '../static/js/model/alert-listing.js';
import { addressedAlerts } from '../static/js/model/alert-query.js';
import { AlertStore } from '../static/js/model/alerts.js';

/** @typedef {import('../static/js/model/history.js').AlertEvent} AlertEvent */

test('what happened is what has changed since the event before', () => {
  const base = { timestamp: '2026-03-01T12:00:00Z', current_value: 1 };
  /** @type {AlertEvent[]} */
  const events = [
    { ...base, state: 'raised', alarm_state: 'unacknowledged' },
    { ...base, state: 'updated', alarm_state: 'unacknowledged', suppressed: 'shelved', suppressed_until: '2026-03-01T13:00:00Z', actor: 'u', comment: 'why' },
    { ...base, state: 'acknowledged', alarm_state: 'acknowledged', suppressed: 'shelved', suppressed_until: '2026-03-01T13:00:00Z', actor: 'u' },
    { ...base, state: 'updated', alarm_state: 'latched_acknowledged', suppressed: 'shelved', suppressed_until: '2026-03-01T13:00:00Z' },
    { ...base, state: 'acknowledged', alarm_state: 'latched_acknowledged', actor: 'u' },
    { ...base, state: 'acknowledged', alarm_state: 'latched_acknowledged', actor: 'u', comment: 'valve replaced' },
    { ...base, state: 'updated', alarm_state: 'acknowledged' },
    { ...base, state: 'updated', alarm_state: 'acknowledged' },
    { ...base, state: 'updated', alarm_state: 'acknowledged', suppressed: 'out_of_service' },
    { ...base, state: 'updated', alarm_state: 'acknowledged', suppressed: 'by_parent' },
    { ...base, state: 'cleared', alarm_state: 'normal', reason: 'reset' },
    { ...base, state: 'cleared', alarm_state: 'normal', actor: 'u', comment: 'afterwards' },
  ];
  assert.deepEqual(storyOf(events).map(({ what }) => what), [
    'raised', 'shelved', 'acknowledged', 'latched', 'suppression_ended', 'comment', 'again', 'value', 'out_of_service', 'by_parent', 'reset', 'comment',
  ]);
  assert.deepEqual(storyOf([
    { ...base, state: 'raised', alarm_state: 'unacknowledged' }, { ...base, state: 'cleared', alarm_state: 'returned_unacknowledged' },
    { ...base, state: 'cleared', alarm_state: 'normal', reason: 'acknowledgement_waived' }, { ...base, state: 'noted', alarm_state: 'normal', actor: 'u', comment: 'late' },
  ]).map(({ what }) => what), ['raised', 'cleared', 'waived', 'comment']);
  assert.deepEqual(storyOf([{ ...base, state: 'raised', alarm_state: 'unacknowledged' }, { ...base, state: 'updated', alarm_state: 'unacknowledged', reason: 'rule_changed', actor: 'u-1', comment: 'too low' }])
    .map(({ what }) => what), ['raised', 'changed'], 'it follows its rule, with the words of who has changed that');
  const kept = { ...base, state: /** @type {const} */ ('updated'), alarm_state: /** @type {const} */ ('unacknowledged'), suppressed: /** @type {const} */ ('by_design'), suppressed_until: '2026-03-01T13:00:00Z' };
  assert.deepEqual(storyOf([
    { ...kept, state: 'raised' }, { ...kept, comment: 'seen', suppressed_by: 'belt', actor: 'u' }, { ...kept, suppressed_by: 'belt', suppressed_reason: 'worn', suppressed_actor: 'u-1' },
    { ...kept, suppressed_by: 'belt', suppressed_reason: 'worn', suppressed_actor: 'u-1', comment: 'me, too', actor: 'u' }, { ...kept, suppressed_by: 'belt', suppressed_reason: 'torn', suppressed_actor: 'u-1' },
    { ...kept, suppressed_by: 'motor', suppressed_reason: 'torn', suppressed_actor: 'u-1' },
  ]).map(({ what }) => what), ['raised', 'comment', 'by_design', 'comment', 'by_design', 'by_design'], 'somebody has decided anew about it; an event of before does not say what it is');
  assert.deepEqual(storyOf([{ ...kept, state: 'raised' }, { ...kept, suppressed_by: 'belt' }]).map(({ what }) => what), ['raised', 'by_design'], 'after an upgrade its name is known');
  assert.deepEqual(storyOf([{ ...base, state: 'cleared', alarm_state: 'normal' }]).map(({ what }) => what), ['cleared'], 'one of the past');
});

test('a chart of an alert shows it with a margin, and nothing of the future', () => {
  const at = (/** @type {string} */ time) => Date.parse(`2026-03-01T${time}Z`);
  const minute = 60_000;
  assert.deepEqual(alertTime({ onset: '2026-03-01T12:00:00Z', cleared_at: '2026-03-01T12:20:00Z' }, at('18:00:00')),
    { from: at('11:50:00'), to: at('12:30:00'), span: { from: at('12:00:00'), to: at('12:20:00') } });
  assert.deepEqual(alertTime({ onset: '2026-03-01T12:00:00Z' }, at('12:01:00')), { from: at('11:55:00'), to: at('12:01:00'), span: { from: at('12:00:00'), to: at('12:01:00') } });
  const old = alertTime({ onset: '2026-01-01T00:00:00Z' }, at('12:00:00'));
  assert.equal(old.span.to - old.span.from, 7 * 24 * 60 * minute, 'of a very long one the beginning');
  const ahead = alertTime({ onset: '2026-03-01T12:00:00Z' }, at('11:00:00'));
  assert.equal(ahead.span.to, ahead.span.from, 'the clock of the device is ahead');
});

test('only addresses of the web are linked', () => {
  assert.equal(procedureAddress('https://plant.example/hot'), 'https://plant.example/hot');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'hot', '', undefined]) assert.equal(procedureAddress(bad), '');
});

test('while somebody works in the list rows stay, and what is new waits', () => {
  const store = new AlertStore();
  const alert = (/** @type {string} */ id, more = {}) => /** @type {any} */ ({
    id, device_id: id, device_type: 't', alert_type: 'r', severity: 'warning', state: 'raised', alarm_state: 'unacknowledged', onset: '2026-03-01T12:00:00Z', timestamp: '2026-03-01T12:00:00Z', ...more,
  });
  const listing = new AlertListing(store, () => '');
  const query = addressedAlerts({ get: () => '' });
  const renew = (/** @type {boolean} */ held) => listing.renew({ query, grouping: '', words: '', held });
  const ids = () => listing.listed.map(({ id }) => id).join('');
  store.apply([alert('a'), alert('b')]);
  assert.ok(renew(false));
  assert.ok(!renew(false), 'there is nothing new');
  store.apply([alert('a', { state: 'acknowledged', alarm_state: 'acknowledged' }), alert('c', { severity: 'critical' }), alert('b', { state: 'cleared', alarm_state: 'normal' })]);
  renew(true);
  assert.equal(ids(), 'ab');
  assert.deepEqual(listing.listed.map(({ state }) => state), ['acknowledged', 'cleared'], 'each as it is now');
  assert.equal(listing.waiting, 1);
  renew(false);
  assert.equal(ids(), 'ca');
  assert.equal(listing.waiting, 0);
  listing.renew({ query, grouping: 'rule', words: '', held: true });
  assert.equal(listing.length, 1);
  assert.deepEqual(listing.alertsAt(0).map(({ id }) => id), ['c', 'a']);
});

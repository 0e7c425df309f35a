// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressedDevice, deviceAddress } from '../static/js/model/device-link.js';
import { Freshness } from '../static/js/model/freshness.js';
import { Silence } from '../static/js/model/silence.js';
import { LatencyMeter } from '../static/js/model/latency.js';
import { ServerClock } from '../static/js/model/server-clock.js';

test('the clock goes by the fastest message', () => {
  const clock = new ServerClock();
  assert.equal(clock.observe(5000, 1000), 0);
  assert.equal(clock.at(2000), 6000);
  assert.equal(clock.observe(6000, 2040), 40, 'a message that took 40 ms longer');
  assert.ok(Math.abs(clock.at(3000) - 7000) < 1, 'hardly moves the clock');
  clock.observe(8010, 4000);
  assert.equal(clock.at(4000), 8010, 'a faster one does');
});

test('a clock that is set back is followed in the end', () => {
  const clock = new ServerClock();
  clock.observe(10_000, 0);
  for (let i = 1; i < 20_000; i++) clock.observe(i, i);
  assert.ok(Math.abs(clock.at(0)) < 1);
});

test('the latency is that of the newest readings', () => {
  const meter = new LatencyMeter(100);
  assert.equal(meter.quantiles(), null);
  for (let i = 0; i < 100; i++) meter.add([9999]);
  for (let i = 1; i <= 100; i++) meter.add([i]);
  assert.deepEqual(meter.quantiles(), { p50: 50, p95: 95 });
  meter.reset();
  meter.add([-5]);
  assert.deepEqual(meter.quantiles(), { p50: 0, p95: 0 }, 'no reading is from the future');
});

test('the page is stale after 10 s without a message', () => {
  const at = (/** @type {number} */ time) => ({ wall: time, steady: time });
  const freshness = new Freshness(at(0));
  freshness.tick(at(50_000), { empty: false });
  assert.equal(freshness.stale, false, 'nothing shown yet');
  freshness.received(at(50_000));
  freshness.tick(at(60_000), { empty: false });
  assert.equal(freshness.stale, false);
  freshness.tick(at(60_001), { empty: false });
  assert.equal(freshness.stale, true);
  assert.equal(freshness.age, 10_001);
  freshness.tick(at(148_000), { empty: true });
  assert.equal(freshness.stale, false, 'an empty plant has nothing to say');
});

test('only after an interruption the page says that it had been old', () => {
  const at = (/** @type {number} */ time) => ({ wall: time, steady: time });
  /** @param {(freshness: Freshness, second: number) => void} during */
  const after = (during) => {
    const freshness = new Freshness(at(0));
    freshness.received(at(0));
    for (let second = 1; second <= 20; second++) during(freshness, second);
    assert.equal(freshness.received(at(20_500)), 20_500);
    return freshness;
  };
  const tick = (/** @type {Freshness} */ freshness, /** @type {number} */ second) => freshness.tick(at(1000 * second), { empty: false });
  assert.equal(after(tick).caughtUp, null, 'a plant that was only quiet');
  assert.equal(after(() => {}).caughtUp, 20_500, 'a page that slept');
  const lost = after((freshness, second) => {
    if (second === 5) freshness.interrupt();
    tick(freshness, second);
  });
  assert.equal(lost.caughtUp, 20_500, 'a connection that was lost');
  lost.tick(at(30_499), { empty: false });
  assert.equal(lost.caughtUp, 20_500);
  lost.tick(at(30_500), { empty: false });
  assert.equal(lost.caughtUp, null, 'said for long enough');
});

test('any device can be linked to', () => {
  for (const id of ['device_001', 'a/b#c?d=e&f', '温度 1', '100%', '<b>']) {
    assert.equal(new URL(deviceAddress(id), 'http://plant/').searchParams.get('device'), id);
    assert.equal(addressedDevice(`#device=${encodeURIComponent(id)}`), id, 'an old link');
  }
  for (const hash of ['', '#', '#device=', '#device=%', '#main']) assert.equal(addressedDevice(hash), null);
});

test('a wall clock that is set is no silence, and a sleep is one', () => {
  const hour = 3_600_000;
  const silence = new Silence();
  assert.equal(silence.since({ wall: 0, steady: 0 }), null, 'no message has come yet');
  silence.end({ wall: 1000, steady: 1000 });
  assert.equal(silence.since({ wall: 1500, steady: 1500 }), 500);
  assert.equal(silence.since({ wall: 1500 - hour, steady: 1500 }), 500, 'set back');
  assert.equal(silence.since({ wall: 2000 + hour, steady: 2000 }), 1000, 'set ahead, or slept: the next message decides');
  silence.end({ wall: 2500 + hour, steady: 2500 });
  assert.equal(silence.since({ wall: 3000 + hour, steady: 3000 }), 500, 'it was set ahead');
  assert.equal(silence.since({ wall: 3000 + 2 * hour, steady: 3000 }), 500);
  assert.equal(silence.since({ wall: 6000 + 2 * hour, steady: 6000 }), 3500 + hour, 'no message came: it has slept');
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Locale } from '../static/js/locale/locale.js';
import { Announcer } from '../static/js/components/announcer.js';
import { Frames } from '../static/js/components/frames.js';
import { AlertStore } from '../static/js/model/alerts.js';
import { ServerClock } from '../static/js/model/server-clock.js';

/** @typedef {import('../static/js/model/protocol.js').Alert} Alert */

test('a part of the page that fails does not keep the others from being drawn', (t) => {
  /** @type {(() => void)[]} */
  const frames = [];
  /** @type {unknown[]} */
  const reported = [];
  Object.assign(globalThis, {
    requestAnimationFrame: (/** @type {() => void} */ draw) => frames.push(draw),
    reportError: (/** @type {unknown} */ error) => reported.push(error),
  });
  t.after(() => {
    for (const name of ['requestAnimationFrame', 'reportError']) Reflect.deleteProperty(globalThis, name);
  });
  // Drawing takes no time here: what takes long has to wait.
  t.mock.method(performance, 'now', () => 0);
  const parts = new Frames(new AbortController().signal);
  const failure = new Error('a chart that cannot draw');
  /** @type {string[]} */
  const drawn = [];
  parts.request(() => {
    throw failure;
  });
  const second = () => void drawn.push('second');
  parts.request(second);
  parts.request(second);
  assert.equal(frames.length, 1, 'one frame for all');
  frames[0]?.();
  assert.deepEqual(drawn, ['second']);
  assert.deepEqual(reported, [failure]);
  parts.request(second);
  frames[1]?.();
  assert.deepEqual(drawn, ['second', 'second'], 'the next frame comes');
});

test('a part that takes long to draw is drawn less often, but at least every five seconds', (t) => {
  let now = 0;
  /** @type {(() => void)[]} */
  let frames = [];
  Object.assign(globalThis, { requestAnimationFrame: (/** @type {() => void} */ draw) => frames.push(draw) });
  t.after(() => Reflect.deleteProperty(globalThis, 'requestAnimationFrame'));
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const [cost, seldom] of [[10, 1010], [150, 3150], [900, 5900]]) {
    const parts = new Frames(new AbortController().signal);
    /** @type {number[]} */
    const begun = [];
    const draw = () => {
      begun.push(now);
      now += Number(cost);
    };
    for (const end = now + 20_000; now < end; now += 10) {
      parts.request(draw, 1000);
      t.mock.timers.tick(10);
      for (const frame of frames.splice(0)) frame();
    }
    frames = [];
    const pauses = begun.slice(1).map((at, i) => at - Number(begun[i]));
    assert.ok(pauses.every((pause) => pause >= Number(seldom) - 10 && pause <= Number(seldom) + 200), `${cost} ms: every ${pauses} ms`);
  }
});

/** @param {Partial<Alert>} [more] */
function raised(more = {}) {
  const alert = { device_id: 'oven', device_type: 't', alert_type: 't_high', severity: 'warning', state: 'raised', threshold: 28, ...more };
  return /** @type {Alert} */ (/** @type {unknown} */ (alert));
}

test('the same alert again is read aloud again: the live region gets another text', (t) => {
  t.mock.method(performance, 'now', () => now);
  let now = 0;
  /** @type {string[]} */
  const spoken = [];
  const region = {
    text: '',
    get textContent() {
      return this.text;
    },
    set textContent(words) {
      // Only a text that is another one is read.
      if (words !== this.text) spoken.push(words.trim());
      this.text = words;
    },
  };
  const locale = new Locale('en');
  const alertWords = (/** @type {Alert} */ alert) => locale.alertWords(alert, undefined);
  const session = { locale, alertWords, alerts: new AlertStore(), clock: new ServerClock() };
  const { signal } = new AbortController();
  new Announcer(/** @type {HTMLElement} */ (/** @type {unknown} */ (region)), /** @type {any} */ (session), signal);
  let id = 0;
  /** @param {Partial<Alert>[]} news */
  const bring = (...news) => session.alerts.apply(news.map((more) => raised({ id: `a-${id++}`, timestamp: '2026-01-01T00:00:00Z', ...more })));
  for (let time = 1; time <= 3; time++) {
    now = time * 10_000;
    bring({});
    session.clock.tick();
  }
  assert.deepEqual(spoken, Array(3).fill('Warning: t above 28, oven'));
  bring({}, {}, { state: 'cleared' });
  session.clock.tick();
  assert.equal(spoken.length, 3, 'not while the last is still being read');
  now += 10_000;
  session.clock.tick();
  assert.equal(spoken.at(-1), '2 new alerts');
  now += 10_000;
  session.alerts.apply([raised({ id: 'before', timestamp: '2026-01-01T00:00:00Z' })], { snapshot: true });
  session.clock.tick();
  assert.equal(spoken.length, 4, 'what had happened before the page came is no news');
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Signals } from '../static/js/app/signals.js';
import { Locale } from '../static/js/locale/locale.js';
import { AlertStore } from '../static/js/model/alerts.js';
import { ServerClock } from '../static/js/model/server-clock.js';
import { page } from './elements.js';

/** @typedef {import('../static/js/model/protocol.js').Alert} Alert */

/**
 * A page whose sounds and notes on the desktop are only written down.
 *
 * @param {import('node:test').TestContext} t
 * @param {{sound?: boolean, notify?: boolean, permission?: string, language?: import('../static/js/locale/language.js').Language}} [chosen]
 */
function signals(t, { sound = true, notify = true, permission = 'granted', language = 'en' } = {}) {
  let now = 100_000;
  t.mock.method(performance, 'now', () => now);
  const { document, stopping } = page(t);
  /** Each tone: how high it is, and when it begins. @type {[number, number][]} */
  const tones = [];
  /** @type {string[]} */
  const contexts = [];
  class AudioContext {
    state = 'suspended';
    currentTime = 10;
    destination = {};

    constructor() {
      contexts.push('made');
    }

    async resume() {
      this.state = 'running';
    }

    async close() {
      contexts.push('closed');
    }
  }
  class OscillatorNode {
    /** @param {AudioContext} _ @param {{frequency: number}} how */
    constructor(_, { frequency }) {
      this.frequency = frequency;
    }

    /** @template T @param {T} node */
    connect(node) {
      return node;
    }

    /** @param {number} at */
    start(at) {
      tones.push([this.frequency, Math.round((at - 10) * 100) / 100]);
    }

    stop() {}
  }
  class GainNode {
    gain = { setValueAtTime() {}, exponentialRampToValueAtTime() {} };

    /** @template T @param {T} node */
    connect(node) {
      return node;
    }
  }
  /** @type {Notification[]} */
  const shown = [];
  class Notification {
    static permission = permission;
    open = true;
    /** @type {(() => void) | null} */
    onclick = null;

    /** @param {string} title @param {{body: string, tag: string}} how */
    constructor(title, { body, tag }) {
      Object.assign(this, { title, body, tag });
      this.title = title;
      this.body = body;
      this.tag = tag;
      shown.push(this);
    }

    close() {
      this.open = false;
    }
  }
  let focused = 0;
  const globals = { AudioContext, OscillatorNode, GainNode, Notification, window: { focus: () => focused++ } };
  Object.assign(globalThis, globals);
  t.after(() => {
    for (const name of Object.keys(globals)) Reflect.deleteProperty(globalThis, name);
  });
  const locale = new Locale(language);
  const preferences = { alertSound: sound, alertNotify: notify };
  const session = { alerts: new AlertStore(), clock: new ServerClock(), locale, preferences, alertWords: (/** @type {Alert} */ alert) => locale.alertWords(alert, undefined) };
  /** @type {string[]} */
  const opened = [];
  new Signals(/** @type {any} */ (session), (path) => opened.push(path), stopping.signal);
  let id = 0;
  return {
    contexts, document, opened, preferences, session, shown, stopping, tones,
    focused: () => focused,
    act: (/** @type {string} */ event) => document.dispatchEvent(new Event(event)),
    later: (/** @type {number} */ milliseconds) => {
      now += milliseconds;
      session.clock.tick();
    },
    /** @param {Partial<Alert>[]} events */
    bring: (...events) => session.alerts.apply(events.map((more) => {
      const event = { id: `a/${id++}`, device_id: 'oven', device_type: 't', alert_type: 't_high', severity: 'warning', state: 'raised', threshold: 28, timestamp: '2026-01-01T00:00:00Z', ...more };
      return /** @type {Alert} */ (/** @type {unknown} */ (event));
    })),
  };
}

test('the more urgent an alert is, the more and the higher are its tones', (t) => {
  const { act, bring, later, tones } = signals(t);
  act('pointerdown');
  for (const [severity, sounds] of /** @type {const} */ ([['critical', [[988, 0], [988, 0.22], [988, 0.44]]], ['warning', [[740, 0], [740, 0.22]]], ['info', [[587, 0]]]])) {
    bring({ severity });
    assert.deepEqual(tones.splice(0), sounds);
    later(10_000);
  }
});

test('many alerts at once are one signal, that of the most urgent one', (t) => {
  const { act, bring, document, later, opened, shown, tones } = signals(t);
  act('keydown');
  document.hidden = true;
  bring({});
  assert.equal(tones.splice(0).length, 2);
  bring({ severity: 'info' }, { severity: 'critical', device_id: 'kiln\u202e' });
  later(1000);
  bring({ severity: 'warning' });
  assert.equal(tones.length, 0, 'not so soon');
  later(2000);
  assert.deepEqual(tones.map(([height]) => height), [988, 988, 988]);
  later(60_000);
  assert.equal(tones.length, 3, 'once');
  assert.deepEqual(shown.map(({ title, body }) => [title, body]), [['Warning', 't above 28, oven'], ['3 alerts have just been raised', 't above 28, kiln[U+202E]']]);
  assert.equal(new Set(shown.map(({ tag }) => Reflect.get(shown[0] ?? {}, 'tag') === tag)).size, 1, 'the next takes the place of the one before');
  for (const note of shown) note.onclick?.();
  assert.deepEqual(opened, ['alerts/a%2F0', 'alerts']);
});

test('a note on the desktop leads to the page, and is gone then', (t) => {
  const { bring, document, focused, shown } = signals(t, { language: 'zh' });
  document.focused = false;
  bring({ severity: 'critical' });
  assert.equal(shown[0]?.title, '严重', 'also while the page can be seen, but is not worked with');
  shown[0]?.onclick?.();
  assert.deepEqual([focused(), Reflect.get(shown[0] ?? {}, 'open')], [1, false]);
});

test('the desktop shows nothing to somebody who looks at the page, or who has not allowed it', (t) => {
  const { bring, document, later, shown } = signals(t);
  bring({});
  assert.equal(shown.length, 0, 'the page itself says it');
  document.hidden = true;
  later(10_000);
  assert.equal(shown.length, 0, 'nor later');
  Reflect.set(globalThis.Notification, 'permission', 'denied');
  bring({});
  assert.equal(shown.length, 0);
  Reflect.deleteProperty(globalThis, 'Notification');
  later(10_000);
  bring({});
  assert.equal(shown.length, 0, 'there are browsers without');
});

test('only what has just been raised, and of which people are to be notified, is signalled', (t) => {
  const { act, bring, session, tones } = signals(t);
  act('pointerdown');
  bring({ state: 'updated' }, { state: 'cleared' }, { historical: true }, { suppressed: 'shelved' }, { suppressed: 'by_design' });
  const old = { id: 'old', device_id: 'oven', alert_type: 't_high', severity: 'critical', state: 'raised', timestamp: '2026-01-01T00:00:00Z' };
  session.alerts.apply([/** @type {Alert} */ (/** @type {unknown} */ (old))], { snapshot: true });
  assert.deepEqual(tones, []);
});

test('what came while no signals were wanted is not signalled afterwards', (t) => {
  const { act, bring, later, preferences, tones } = signals(t, { sound: false, notify: false });
  act('pointerdown');
  bring({});
  preferences.alertSound = true;
  act('pointerdown');
  later(10_000);
  assert.deepEqual(tones, []);
  bring({});
  assert.equal(tones.length, 2);
});

test('sounds wait until the reader has done something on the page, and choosing them plays one', async (t) => {
  const { act, bring, contexts, preferences, stopping, tones } = signals(t, { sound: false });
  act('change');
  assert.deepEqual(contexts, [], 'nobody wants sounds');
  preferences.alertSound = true;
  bring({});
  assert.deepEqual(tones, [], 'the browser would not play it');
  act('change');
  assert.deepEqual(tones, [[587, 0]], 'so it sounds');
  act('change');
  act('pointerdown');
  assert.deepEqual([tones.length, contexts.join()], [1, 'made'], 'another change is none of the sound');
  stopping.abort();
  assert.deepEqual(contexts, ['made', 'closed']);
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Address } from '../static/js/app/address.js';
import { Leaving } from '../static/js/app/leaving.js';
import { Navigation } from '../static/js/app/navigation.js';
import { Router } from '../static/js/app/router.js';
import { parentPath, routes } from '../static/js/app/routes.js';
import { ConnectionBadge } from '../static/js/components/connection-badge.js';
import { LoadState } from '../static/js/components/load-state.js';
import { Locale } from '../static/js/locale/locale.js';
import { AlertStore } from '../static/js/model/alerts.js';
import { Store } from '../static/js/model/store.js';
import { Unsaved } from '../static/js/model/unsaved.js';
import { element, page } from './elements.js';

/** @typedef {import('../static/js/model/protocol.js').Alert} Alert */

/**
 * The links to all pages, at an address.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} href
 */
function navigation(t, href) {
  const { document, signal, stopping } = page(t);
  const location = new URL(href, 'http://plant/iotmon/');
  const write = (/** @type {any} */ _, /** @type {string} */ __, /** @type {any} */ url) => void (location.href = new URL(String(url), location).href);
  const address = new Address({ location, history: { state: null, pushState: write, replaceState: write } });
  const router = new Router(address, new URL('http://plant/iotmon/'), routes);
  router.listen(/** @type {any} */ ({ location, addEventListener() {}, document: { addEventListener() {} } }), { doubtful: false, allowed: async () => true }, signal);
  const session = { alerts: new AlertStore(), locale: new Locale('en') };
  const bar = element('nav');
  const links = new Navigation(/** @type {any} */ (bar), /** @type {any} */ (session), router, signal);
  links.update();
  return {
    bar, document, links, session, stopping,
    open: (/** @type {string} */ path) => address.open({ pathname: `/iotmon/${path}`, search: '' }),
    badge: () => /** @type {import('./elements.js').FakeElement} */ (bar.querySelector('.badge')),
    current: () => bar.children.map((link) => [Reflect.get(link, 'ariaCurrent'), link.children[0]?.textContent]).filter(([current]) => current).map((pair) => pair.join(': ')),
    /** @param {Partial<Alert>[]} events */
    bring: (...events) => session.alerts.apply(events.map((more, i) => {
      const event = { id: String(i), device_id: 'oven', alert_type: 'high', severity: 'warning', state: 'raised', timestamp: '2026-01-01T00:00:00Z', ...more };
      return /** @type {Alert} */ (/** @type {unknown} */ (event));
    })),
  };
}

test('every page of its own has a link, and the present one is marked, also by what is shown of it', (t) => {
  const { bar, current, open } = navigation(t, 'devices');
  assert.deepEqual(bar.children.map((link) => Reflect.get(link, 'href')), routes.filter((route) => !parentPath(route)).map(({ path }) => `http://plant/iotmon/${path}`));
  assert.equal(bar.hidden, false);
  assert.deepEqual(current(), ['page: Devices']);
  open('devices/kiln');
  assert.deepEqual(current(), ['true: Devices'], 'one of its items');
  open('alerts');
  assert.deepEqual(current(), ['page: Alerts']);
});

test('the tab is called after what is shown, whatever its id contains', (t) => {
  const { document, links, open, session } = navigation(t, 'devices/a%2Fb%E2%80%AE');
  assert.equal(document.title, 'a/b[U+202E] – Devices – iotmon');
  open('devices/%zz');
  assert.equal(document.title, '%zz – Devices – iotmon', 'what is no id is shown as it is');
  open('devices');
  assert.equal(document.title, 'Devices – iotmon');
  session.locale = new Locale('zh');
  links.update();
  assert.equal(document.title, '设备 – iotmon');
});

test('the tab and the link say how many alerts ask for somebody, and nothing while there are none', (t) => {
  const { badge, bring, document, stopping } = navigation(t, 'overview');
  assert.deepEqual([document.title, badge().hidden], ['Overview – iotmon', true]);
  bring(...Array.from({ length: 1200 }, (_, i) => ({ id: `many ${i}` })));
  assert.deepEqual([document.title, badge().textContent, badge().hidden], ['(1,200) Overview – iotmon', '1,200', false]);
  assert.equal(badge().getAttribute('aria-label'), '1,200 unacknowledged alerts');
  bring(...Array.from({ length: 1199 }, (_, i) => ({ id: `many ${i}`, state: /** @type {const} */ ('acknowledged'), timestamp: '2026-01-01T00:00:01Z' })));
  assert.equal(badge().getAttribute('aria-label'), '1 unacknowledged alert');
  bring({ id: 'many 1199', suppressed: 'shelved', timestamp: '2026-01-01T00:00:02Z' });
  assert.deepEqual([document.title, badge().hidden], ['Overview – iotmon', true], 'what may wait asks for nobody');
  bring({ id: 'back', state: 'cleared' });
  assert.equal(document.title, '(1) Overview – iotmon', 'what has returned still asks for somebody');
  stopping.abort();
  bring({ id: 'later' });
  assert.equal(document.title, '(1) Overview – iotmon');
});

/**
 * A page that may hold what is not saved.
 *
 * @param {import('node:test').TestContext} t
 */
function leaving(t) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { signal, window } = page(t);
  const words = element('p');
  const dialog = element('dialog', words);
  const unsaved = new Unsaved();
  /** @type {import('../static/js/model/unsaved.js').Loss} */
  let loss = '';
  unsaved.watch(() => loss, signal);
  const leave = new Leaving(/** @type {any} */ (dialog), /** @type {any} */ ({ unsaved, locale: new Locale('en') }), signal);
  return {
    dialog, leave, words,
    lose: (/** @type {import('../static/js/model/unsaved.js').Loss} */ of) => (loss = of),
    wait: async (/** @type {number} */ milliseconds) => {
      for (let passed = 0; passed < milliseconds; passed += 50) {
        t.mock.timers.tick(50);
        await new Promise(setImmediate);
      }
    },
    /** Whether the browser asks before the tab is closed. */
    closing: () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true })),
  };
}

test('a page on which everything is saved is left at once', async (t) => {
  const { closing, dialog, leave } = leaving(t);
  assert.equal(await leave.allowed(), true);
  assert.deepEqual([dialog.open, closing()], [false, false]);
});

test('what was typed is left only when the reader agrees, and to close the question is not to agree', async (t) => {
  const { closing, dialog, leave, lose, words } = leaving(t);
  lose('typed');
  assert.equal(closing(), true);
  for (const [answer, left] of /** @type {const} */ ([['leave', true], ['stay', false], [undefined, false]])) {
    const decided = leave.allowed();
    await new Promise(setImmediate);
    assert.ok(dialog.open);
    assert.match(words.textContent, /not saved/);
    dialog.close(answer);
    assert.equal(await decided, left, `${answer}: also after another answer before`);
  }
});

test('a reader who is being asked is not asked twice', async (t) => {
  const { dialog, leave, lose } = leaving(t);
  lose('typed');
  const first = leave.allowed();
  await new Promise(setImmediate);
  assert.equal(await leave.allowed(), false);
  dialog.close('leave');
  assert.equal(await first, true);
});

test('a change that is on its way is waited for, but not for long', async (t) => {
  const { dialog, leave, lose, wait, words } = leaving(t);
  lose('saving');
  const quick = leave.allowed();
  await wait(500);
  assert.equal(dialog.open, false);
  lose('');
  await wait(100);
  assert.equal(await quick, true, 'nobody is asked');
  lose('saving');
  const slow = leave.allowed();
  await wait(2500);
  assert.ok(dialog.open);
  assert.match(words.textContent, /still on its way/);
  dialog.close('stay');
  assert.equal(await slow, false);
  const refused = leave.allowed();
  await wait(100);
  lose('typed');
  await wait(100);
  assert.match(words.textContent, /not saved/, 'it was refused, so that only the page has it');
  dialog.close('leave');
  assert.equal(await refused, true);
});

test('the badge says whether the page is connected, and counts down to the next attempt outside of what is read aloud', (t) => {
  const { signal } = page(t);
  const [text, countdown, button, use] = [element('span.connection-text'), element('span.connection-countdown'), element('button'), element('use')];
  const badge = element('div', element('svg', use), text, countdown, button);
  let attempts = 0;
  class Followed extends Store {
    /** @type {any} */
    state = { phase: 'connecting' };
    retryIn = 0;
    stale = false;

    /** @param {object} change */
    become(change) {
      Object.assign(this, change);
      this.changed();
    }

    connect() {
      attempts++;
    }
  }
  const [connection, freshness] = [new Followed(), new Followed()];
  new ConnectionBadge(/** @type {any} */ (badge), /** @type {any} */ ({ connection, freshness, locale: new Locale('en') }), signal).update();
  const shown = () => [badge.dataset['phase'], use.getAttribute('href'), text.textContent, countdown.textContent, button.hidden];
  assert.deepEqual(shown(), ['connecting', '#icon-connecting', 'Connecting…', '', true]);
  connection.become({ state: { phase: 'open' } });
  assert.deepEqual(shown(), ['open', '#icon-online', 'Live', '', true]);
  freshness.become({ stale: true });
  assert.deepEqual(shown(), ['open', '#icon-warning', 'No data', '', true], 'nothing comes, so that it may be lost');
  connection.become({ state: { phase: 'waiting' }, retryIn: 4200 });
  assert.deepEqual(shown(), ['waiting', '#icon-offline', 'Disconnected', 'retry in 5 s', false], 'what is known counts more than what is feared');
  connection.become({ retryIn: 1 });
  assert.equal(countdown.textContent, 'retry in 1 s');
  button.click();
  assert.equal(attempts, 1);
});

test('what is being loaded, missing or failed is said; what was loaded before stays in sight', (t) => {
  const { signal } = page(t);
  const [words, button] = [element('p'), element('button')];
  const state = element('div', words, button);
  const session = { locale: new Locale('en') };
  let asked = 0;
  let empty = { en: 'No alerts', zh: '没有告警' };
  const load = new LoadState(/** @type {any} */ (state), /** @type {any} */ (session), { empty: () => empty, onRetry: () => asked++ }, signal);
  /** @param {'idle' | 'loading' | 'loaded' | 'failed'} phase @param {boolean} nothing */
  const shown = (phase, nothing, reason = '') => {
    load.update({ phase, reason }, { empty: nothing });
    return [state.hidden, words.textContent, button.hidden, state.classes.has('load-state-corner')];
  };
  assert.deepEqual(shown('idle', true), [false, 'Loading…', true, false]);
  assert.deepEqual(shown('loading', true), [false, 'Loading…', true, false]);
  assert.deepEqual(shown('loaded', true), [false, 'No alerts', true, false]);
  empty = { en: 'No alerts match', zh: '没有匹配的告警' };
  assert.equal(shown('loaded', true)[1], 'No alerts match');
  assert.deepEqual(shown('loaded', false), [true, '', true, true]);
  assert.deepEqual(shown('loading', false), [true, '', true, true], 'more of it');
  assert.deepEqual(shown('failed', false, 'the database is away'), [false, 'The history could not be loaded: the database is away', false, true]);
  assert.equal(shown('failed', true)[1], 'The history could not be loaded: Disconnected', 'nobody has said why');
  button.click();
  assert.equal(asked, 1);
  session.locale = new Locale('zh');
  assert.equal(shown('failed', true, 'x')[1], '历史数据加载失败：x');
});

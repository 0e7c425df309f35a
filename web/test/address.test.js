// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Address } from '../static/js/app/address.js';
import { Router } from '../static/js/app/router.js';
import { decodedId, devicePath } from '../static/js/model/device-link.js';
import { addressedFilter, inAddress, toggled } from '../static/js/pages/overview/filter.js';

/** @param {string} href */
function browser(href) {
  const location = new URL(href, 'http://plant/');
  /** @type {string[]} */
  const written = [];
  const write = (/** @type {string} */ how) => (/** @type {any} */ _, /** @type {string} */ __, /** @type {any} */ url) => {
    written.push(`${how} ${url}`);
    location.href = new URL(String(url), location).href;
  };
  const address = new Address({ location, history: { state: null, pushState: write('push'), replaceState: write('replace') } });
  let changes = 0;
  address.subscribe(() => changes++, { signal: new AbortController().signal });
  return { address, location, written, changes: () => changes };
}

test('the address keeps the values that a change does not name', () => {
  const { address, written, changes } = browser('/iotmon/overview?range=1h&status=offline');
  address.push({ device: 'a/b #1&' });
  address.replace({ range: '', status: 'online' });
  assert.deepEqual(written, [
    'push /iotmon/overview?range=1h&status=offline&device=a%2Fb+%231%26',
    'replace /iotmon/overview?status=online&device=a%2Fb+%231%26',
  ]);
  assert.equal(address.get('device'), 'a/b #1&');
  assert.equal(address.get('range'), '');
  assert.equal(changes(), 2);
  address.replace({ status: 'online' });
  assert.equal(changes(), 2, 'nothing changed');
});

test('going back is a change like another', () => {
  const { address, location, changes } = browser('/?device=a');
  location.search = '';
  address.moved();
  address.moved();
  assert.equal(changes(), 1);
  assert.equal(address.get('device'), '');
});

test('the path names the page, also under the path of a proxy', () => {
  const load = async () => ({ mount: async () => {} });
  const name = { en: '', zh: '' };
  /** @type {[import('../static/js/app/routes.js').Route, ...import('../static/js/app/routes.js').Route[]]} */
  const routes = [{ path: 'overview', name, load }, { path: 'rules', name, load }];
  const at = (/** @type {string} */ href) => new Router(browser(href).address, new URL('http://plant/iotmon/'), routes);
  assert.equal(at('/iotmon/').route.path, 'overview');
  assert.equal(at('/iotmon/rules?x=1').route.path, 'rules');
  assert.equal(at('/iotmon/').href({ path: 'rules', name, load }), 'http://plant/iotmon/rules');
});

test('an item of a page has an address of its own, whatever its id contains', () => {
  const load = async () => ({ mount: async () => {} });
  const name = { en: '', zh: '' };
  /** @type {[import('../static/js/app/routes.js').Route, ...import('../static/js/app/routes.js').Route[]]} */
  const routes = [{ path: 'overview', name, load }, { path: 'devices', name, load }, { path: 'devices/device', name, load }];
  const at = (/** @type {string} */ href) => {
    const { route: { path }, item } = new Router(browser(href).address, new URL('http://plant/iotmon/'), routes);
    return [path, decodedId(item)];
  };
  for (const id of ['kiln', 'a/b?c#d%', '\u202e<script>', '..kiln', '设备']) {
    assert.deepEqual(at(`/iotmon/${devicePath(id)}`), ['devices/device', id]);
  }
  assert.deepEqual(at('/iotmon/devices'), ['devices', '']);
  for (const path of ['devices/', 'devices/a/b', 'overview/a', 'nothing/a']) assert.deepEqual(at(`/iotmon/${path}`), ['overview', ''], path);
  assert.equal(decodedId('/devices/%zz'), null);
});

test('another item of the same page is another page to open', () => {
  const load = async () => ({ mount: async () => {} });
  const name = { en: '', zh: '' };
  const { address, location } = browser('/devices/a');
  const router = new Router(address, new URL('http://plant/'), [{ path: 'devices', name, load }, { path: 'devices/device', name, load }]);
  const { signal } = new AbortController();
  let opened = 0;
  router.subscribe(() => opened++, { signal });
  const document = { addEventListener() {} };
  router.listen(/** @type {any} */ ({ location, addEventListener() {}, document }), { doubtful: false, allowed: async () => true }, signal);
  address.open({ pathname: '/devices/b', search: '' });
  assert.deepEqual([router.item, opened], ['b', 1]);
  address.replace({ history: '1h' });
  assert.equal(opened, 1, 'what the page shows is its own matter');
  address.open({ pathname: '/devices', search: '' });
  assert.deepEqual([router.route.path, router.item, opened], ['devices', '', 2]);
});

test('a page with what is not saved is left by a link, back or forward only when the reader agrees', async () => {
  const load = async () => ({ mount: async () => {} });
  const name = { en: '', zh: '' };
  const root = new URL('http://plant/');
  // A browser with its history.
  const location = new URL('http://plant/devices');
  let entries = [{ state: /** @type {unknown} */ (null), href: location.href }];
  let at = 0;
  /** @type {Record<string, (event: any) => void>} */
  const listeners = {};
  const history = {
    get state() {
      return entries[at]?.state;
    },
    pushState(/** @type {unknown} */ state, /** @type {string} */ _, /** @type {any} */ href) {
      entries = [...entries.slice(0, ++at), { state, href: new URL(href, root).href }];
      location.href = String(entries[at]?.href);
    },
    replaceState(/** @type {unknown} */ state, /** @type {string} */ _, /** @type {any} */ href) {
      entries[at] = { state, href: new URL(href, root).href };
      location.href = String(entries[at]?.href);
    },
    go(/** @type {number} */ distance) {
      at += distance;
      location.href = String(entries[at]?.href);
      queueMicrotask(() => listeners['popstate']?.({}));
    },
  };
  const address = new Address({ location, history: /** @type {any} */ (history) });
  const router = new Router(address, root, [{ path: 'devices', name, load }, { path: 'devices/device', name, load }, { path: 'system', name, load }]);
  const window = { location, history, addEventListener: (/** @type {string} */ type, /** @type {any} */ listener) => (listeners[type] = listener), document: { addEventListener() {} } };
  const leave = { doubtful: false, agree: false, asked: 0, async allowed() {
    if (leave.doubtful) leave.asked++;
    return !leave.doubtful || leave.agree;
  } };
  router.listen(/** @type {any} */ (window), leave, new AbortController().signal);
  const quiet = () => new Promise(setImmediate);
  address.open({ pathname: '/system', search: '' });
  address.open({ pathname: '/devices/a', search: '' });
  address.push({ history: '1h' });
  leave.doubtful = true;
  history.go(-1);
  await quiet();
  assert.deepEqual([leave.asked, location.pathname + location.search, address.get('history')], [0, '/devices/a', ''], 'the same page is no other page');
  history.go(-2);
  await quiet();
  assert.deepEqual([leave.asked, location.pathname, router.item], [1, '/devices/a', 'a'], 'it stays');
  leave.agree = true;
  history.go(-2);
  await quiet();
  assert.deepEqual([leave.asked, location.pathname, router.route.path], [2, '/devices', 'devices'], 'it goes where the reader wanted');
  leave.doubtful = false;
  history.go(2);
  await quiet();
  assert.deepEqual([leave.asked, router.item], [2, 'a']);
});

test('the filter of the list is in the address', () => {
  const { address } = browser('/?type=oven&status=broken&search=a');
  const filter = addressedFilter(address);
  assert.deepEqual(filter, { type: 'oven', building: '', status: '', query: 'a' });
  address.replace(inAddress(toggled(filter, { type: 'oven', status: 'offline' })));
  assert.deepEqual(addressedFilter(address), { type: '', building: '', status: 'offline', query: 'a' });
});

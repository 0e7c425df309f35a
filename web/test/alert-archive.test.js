// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlertArchive } from '../static/js/model/alert-archive.js';
import { History } from '../static/js/model/history.js';
import { HistoryRequest } from '../static/js/model/history-request.js';

/** Lets promises go on. */
const turn = () => new Promise((done) => setImmediate(done));

/**
 * An archive with so many alerts, which a server lists page by page.
 *
 * @param {import('node:test').TestContext} t
 * @param {number} count
 */
function archive(t, count) {
  /** How many newer ones there are meanwhile, and how the alerts are called. */
  const newer = { count: 0, words: '' };
  /** @type {string[]} */
  const asked = [];
  /** What the next requests fail with: a status, or 0 if the server cannot be reached. @type {number[]} */
  const failures = [];
  /** Requests that wait until they are answered. @type {(() => void)[] | null} */
  let waiting = null;
  const fetcher = async (/** @type {any} */ address, /** @type {RequestInit} */ { signal }) => {
    const { searchParams } = new URL(String(address), 'http://plant/');
    const { limit: most, cursor = '', ...query } = Object.fromEntries(searchParams);
    asked.push([...Object.entries(query).flat(), cursor || '0'].join(' '));
    if (waiting) await new Promise((done) => waiting?.push(() => done(undefined)));
    signal?.throwIfAborted();
    const failure = failures.shift();
    if (failure === 0) throw new TypeError('fetch failed');
    if (failure) return new Response('{"detail": "the database is away"}', { status: failure });
    const from = Number(cursor);
    const end = Math.min(count, from + Number(most) - (cursor === '' ? newer.count : 0));
    const ids = [...(cursor === '' ? Array.from({ length: newer.count }, (_, i) => `newer ${i}`) : []), ...Array.from({ length: Math.max(0, end - from) }, (_, i) => from + i)];
    const items = ids.map((id) => ({ id: `${query['area'] ?? ''}${id}`, message: newer.words }));
    return new Response(JSON.stringify({ items, ...(end < count && { next: String(Math.max(end, 0)) }) }));
  };
  const stopping = new AbortController();
  t.after(() => stopping.abort());
  /** @type {HistoryRequest<any>[]} */
  const requests = [];
  let now = 0;
  const environment = { connected: () => true, now: () => now };
  const made = new AlertArchive(new History('', /** @type {typeof fetch} */ (fetcher)), (question, apply) => {
    const request = new HistoryRequest(question, apply, environment, stopping.signal);
    requests.push(request);
    return request;
  });
  return {
    archive: made, asked, failures, newer,
    ids: () => made.alerts.map(({ id }) => id),
    /** Some seconds pass, in which requests that failed are made again. */
    later: () => {
      now += 10_000;
      for (const request of requests) request.retry();
      return turn();
    },
    /** Some seconds pass, after which the newest are asked for again. */
    renew: () => {
      now += 10_000;
      made.renew(10_000);
      return turn();
    },
    hold: () => (waiting = []),
    release: () => {
      const held = waiting ?? [];
      waiting = null;
      for (const answer of held) answer();
      return turn();
    },
  };
}

test('the alerts of the archive come page by page, as far as somebody wants them', async (t) => {
  const { archive: alerts, asked, ids } = archive(t, 450);
  alerts.load({ area: 'a', rule: '' });
  alerts.older();
  assert.equal(asked.length, 1, 'the first page comes first');
  await turn();
  assert.deepEqual([ids().length, alerts.more, alerts.request.phase], [200, true, 'loaded']);
  alerts.older();
  alerts.older();
  await turn();
  assert.deepEqual([ids().length, alerts.more], [400, true]);
  alerts.older();
  await turn();
  assert.deepEqual([ids().length, alerts.more], [450, false]);
  alerts.older();
  assert.deepEqual(asked, ['area a 0', 'area a 200', 'area a 400'], 'nothing twice, and nothing beyond the end');
  assert.equal(new Set(ids()).size, 450);
});

test('paging that fails half way keeps what there is, and goes on where it was', async (t) => {
  const { archive: alerts, asked, failures, ids } = archive(t, 450);
  alerts.load({});
  await turn();
  failures.push(503);
  alerts.older();
  await turn();
  assert.deepEqual([ids().length, alerts.request.phase, alerts.request.reason], [200, 'failed', 'the database is away']);
  alerts.older();
  await turn();
  assert.equal(asked.length, 2, 'scrolling alone does not ask again and again');
  alerts.retry();
  await turn();
  assert.deepEqual([ids().length, alerts.request.phase], [400, 'loaded']);
  assert.deepEqual(asked, ['0', '200', '200']);
});

test('a page that failed is asked for again by itself', async (t) => {
  const { archive: alerts, failures, ids, later } = archive(t, 450);
  failures.push(0, 0);
  alerts.load({});
  await turn();
  assert.deepEqual([ids().length, alerts.request.phase, alerts.request.reason], [0, 'failed', '']);
  await later();
  assert.equal(alerts.request.phase, 'failed');
  await later();
  assert.deepEqual([ids().length, alerts.request.phase], [200, 'loaded']);
  failures.push(0);
  alerts.older();
  await turn();
  await later();
  assert.deepEqual([ids().length, new Set(ids()).size], [400, 400]);
});

test('a query that the server refuses is not asked again by itself', async (t) => {
  const { archive: alerts, asked, failures, later } = archive(t, 450);
  failures.push(422);
  alerts.load({});
  await turn();
  await later();
  assert.deepEqual([alerts.request.status, asked.length], [422, 1]);
});

test('another query begins anew, and what the one before still brings is none of it', async (t) => {
  const { archive: alerts, hold, ids, release } = archive(t, 450);
  alerts.load({ area: 'a' });
  await turn();
  hold();
  alerts.older();
  alerts.load({ area: 'b' });
  assert.deepEqual([ids(), alerts.more, alerts.request.phase], [[], false, 'loading']);
  await release();
  assert.deepEqual([ids().length, ids().every((id) => id.startsWith('b'))], [200, true]);
  alerts.older();
  await turn();
  assert.deepEqual([ids().length, ids().every((id) => id.startsWith('b'))], [400, true]);
});

test('a failure of the query before is not one of the next', async (t) => {
  const { archive: alerts, failures, ids } = archive(t, 450);
  alerts.load({ area: 'a' });
  await turn();
  failures.push(503);
  alerts.older();
  await turn();
  alerts.load({ area: 'b' });
  await turn();
  assert.deepEqual([alerts.request.phase, alerts.request.reason, ids().length], ['loaded', '', 200]);
  alerts.older();
  await turn();
  assert.equal(ids().length, 400);
});

test('the list has an end, however many alerts the archive has', async (t) => {
  const { archive: alerts, ids } = archive(t, 1_000_000);
  alerts.load({});
  await turn();
  for (let i = 0; i < 200; i++) {
    alerts.older();
    await turn();
  }
  assert.deepEqual([ids().length, alerts.more], [20_000, false]);
});

test('what changes and what is new comes by itself, and older ones that have been read stay', async (t) => {
  const { archive: alerts, ids, newer, renew } = archive(t, 450);
  alerts.load({});
  await turn();
  alerts.older();
  await turn();
  newer.count = 3;
  newer.words = 'changed';
  await renew();
  assert.deepEqual([ids().length, ids().slice(0, 4), new Set(ids()).size], [403, ['newer 0', 'newer 1', 'newer 2', '0'], 403]);
  assert.deepEqual(alerts.alerts.slice(0, 200).every(({ message }) => message === 'changed'), true);
  alerts.older();
  await turn();
  assert.deepEqual([ids().length, ids().at(-1), alerts.more], [453, '449', false]);
});

test('after more new ones than are asked for at once the list begins anew', async (t) => {
  const { archive: alerts, ids, newer, renew } = archive(t, 450);
  alerts.load({});
  await turn();
  newer.count = 200;
  await renew();
  assert.deepEqual([ids().length, ids()[0], alerts.more], [200, 'newer 0', true]);
  alerts.older();
  await turn();
  assert.deepEqual([ids().length, ids()[200]], [400, '0']);
});

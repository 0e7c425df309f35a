// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DecisionDraft } from '../static/js/model/decision-draft.js';
import { Decisions } from '../static/js/model/decisions.js';
import { History, HistoryError } from '../static/js/model/history.js';
import { RuleRequests } from '../static/js/model/rule-requests.js';

test('what is decided names the version that it is based on, and what has any name', async () => {
  /** @type {string[]} */
  const asked = [];
  const fetcher = /** @type {typeof fetch} */ (/** @type {unknown} */ (async (/** @type {string} */ address, /** @type {RequestInit} */ { method = 'GET', headers = {}, body = '' }) => {
    const { 'If-Match': match, 'If-None-Match': none } = /** @type {Record<string, string>} */ (headers);
    asked.push([method, address, match ?? none ?? '', body].filter(Boolean).join(' '));
    return { ok: true, json: async () => ({}) };
  }));
  const decisions = new Decisions(new History('', fetcher), 'maintenance');
  await decisions.list({ device: 'a b' });
  await decisions.one('hall/3');
  await decisions.create({ name: 'hall/3' });
  await decisions.replace('hall/3', { body: {}, version: 4 });
  await decisions.replace('hall/3', { body: {}, version: 0 });
  await decisions.remove('hall/3', 5);
  await decisions.act('hall/3', { action: 'end', version: 6 });
  await decisions.versions('hall/3');
  assert.deepEqual(asked, [
    'GET api/v1/maintenance?device=a+b',
    'GET api/v1/maintenance/hall%2F3?',
    'POST api/v1/maintenance {"name":"hall/3"}',
    'PUT api/v1/maintenance/hall%2F3 "4" {}',
    'PUT api/v1/maintenance/hall%2F3 * {}',
    'DELETE api/v1/maintenance/hall%2F3 "5"',
    'POST api/v1/maintenance/hall%2F3/end "6"',
    'GET api/v1/maintenance/hall%2F3/versions?',
  ]);
});

/**
 * A server with maintenance of which each name has a version, and what is decided about it.
 *
 * @param {import('node:test').TestContext} t
 */
function server(t) {
  /** @type {Map<string, {version: number, reason: string}>} */
  const held = new Map();
  /** @type {string[]} */
  const asked = [];
  /** @type {string[]} What becomes of the next requests: lost before or after the server has made the change, refused, or held back until released. */
  const fates = [];
  /** @type {(() => void)[]} */
  const releases = [];
  let last = 0;
  const make = (/** @type {string} */ name, /** @type {RequestInit} */ { method = 'GET', headers = {}, body = '' }) => {
    const present = held.get(name);
    const { 'If-Match': match, 'If-None-Match': none } = /** @type {Record<string, string>} */ (headers);
    if ((match && match !== `"${present?.version}"`) || (none && present)) return new Response(JSON.stringify({ detail: 'another version' }), { status: 412 });
    if (method === 'GET' && !present) return new Response(JSON.stringify({ detail: 'there is none' }), { status: 404 });
    if (method === 'PUT') held.set(name, { version: ++last, reason: JSON.parse(String(body)).reason });
    if (method === 'DELETE') {
      held.delete(name);
      last++;
    }
    return new Response(JSON.stringify({ name, version: last, in_force: true, ...held.get(name) }));
  };
  const fetcher = async (/** @type {any} */ address, /** @type {RequestInit} */ request) => {
    const { method = 'GET', headers } = request;
    const name = decodeURIComponent(String(address).split('/').at(-1)?.replace('?', '') ?? '');
    const { 'If-Match': match, 'If-None-Match': none } = /** @type {Record<string, string>} */ (headers ?? {});
    asked.push([method, name, match ?? none].filter(Boolean).join(' '));
    const fate = fates.shift();
    if (fate === 'lost before') throw new TypeError('fetch failed');
    if (fate === 'refused') return new Response(JSON.stringify({ detail: 'reason: too long' }), { status: 422 });
    if (fate === 'held back') await new Promise((done) => releases.push(() => done(undefined)));
    const answer = make(name, request);
    if (fate === 'lost after') throw new TypeError('fetch failed');
    return answer;
  };
  const stopping = new AbortController();
  t.after(() => stopping.abort());
  /** @type {Decisions<{reason: string}, {name: string, version: number, reason: string}>} */
  const decisions = new Decisions(new History('', /** @type {typeof fetch} */ (fetcher)), 'maintenance');
  const draft = new DecisionDraft(decisions, stopping.signal);
  /** What those that follow the draft see. @type {string[]} */
  const seen = [];
  draft.subscribe(() => seen.push(draft.busy ? 'busy' : draft.error ? 'failed' : 'quiet'), { signal: stopping.signal });
  return {
    asked, draft, fates, held, releases, seen, stopping,
    /** Somebody else decides. @param {string} name @param {string} reason */
    meanwhile: (name, reason) => void held.set(name, { version: ++last, reason }),
    status: () => (draft.error instanceof HistoryError ? draft.error.status : 0),
  };
}

test('a change is based on the version before it, also that of the change before', async (t) => {
  const { asked, draft, held, seen } = server(t);
  draft.begin(0);
  assert.equal((await draft.apply('belt', { reason: 'a' }))?.version, 1);
  await draft.apply('belt', { reason: 'b' });
  assert.deepEqual(held.get('belt'), { version: 2, reason: 'b' });
  assert.equal((await draft.remove('belt'))?.in_force, true);
  assert.deepEqual(asked, ['PUT belt *', 'PUT belt "1"', 'DELETE belt "2"']);
  assert.deepEqual(seen, ['quiet', ...Array(3).fill(['busy', 'quiet']).flat()]);
});

test('what somebody else has decided meanwhile is shown, and replaced only when that is wanted', async (t) => {
  const { draft, held, meanwhile, seen, status } = server(t);
  draft.begin(0);
  await draft.apply('belt', { reason: 'mine' });
  meanwhile('belt', 'theirs');
  seen.length = 0;
  assert.equal(await draft.apply('belt', { reason: 'mine again' }), null);
  assert.deepEqual([status(), draft.theirs?.reason, draft.theirs?.version], [412, 'theirs', 2]);
  assert.deepEqual(seen, ['busy', 'failed'], 'both are known at once');
  assert.equal(await draft.apply('belt', { reason: 'mine again' }), null, 'to try again is not to agree');
  assert.equal(held.get('belt')?.reason, 'theirs');
  draft.overrule();
  assert.deepEqual([draft.theirs, draft.error], [undefined, null]);
  await draft.apply('belt', { reason: 'mine again' });
  assert.deepEqual(held.get('belt'), { version: 3, reason: 'mine again' });
});

test('what somebody else has added meanwhile is not replaced by something new of the same name', async (t) => {
  const { draft, held, meanwhile } = server(t);
  draft.begin(0);
  meanwhile('belt', 'theirs');
  assert.equal(await draft.apply('belt', { reason: 'mine' }), null);
  assert.deepEqual([draft.theirs?.version, held.get('belt')?.reason], [1, 'theirs']);
});

test('what somebody else has deleted meanwhile can be decided anew', async (t) => {
  const { asked, draft, held, status } = server(t);
  draft.begin(0);
  await draft.apply('belt', { reason: 'a' });
  held.delete('belt');
  assert.equal(await draft.apply('belt', { reason: 'b' }), null);
  assert.deepEqual([status(), draft.theirs], [412, null]);
  draft.overrule();
  await draft.apply('belt', { reason: 'b' });
  assert.equal(held.get('belt')?.reason, 'b');
  assert.equal(asked.at(-1), 'PUT belt *');
});

test('a conflict is shown also if what others have decided cannot be read', async (t) => {
  const { draft, fates, meanwhile, status } = server(t);
  draft.begin(7);
  meanwhile('belt', 'theirs');
  fates.push('', 'lost before');
  assert.equal(await draft.apply('belt', { reason: 'b' }), null);
  assert.deepEqual([status(), draft.theirs, draft.busy], [412, undefined, false]);
  draft.overrule();
  assert.equal(status(), 412, 'nobody overrules what they have not seen');
});

test('a change that did not reach the server, or that it refuses, can be made again', async (t) => {
  const { draft, fates, held, status } = server(t);
  draft.begin(0);
  fates.push('lost before', 'refused');
  assert.equal(await draft.apply('belt', { reason: 'a' }), null);
  assert.ok(draft.error instanceof TypeError);
  assert.equal(await draft.apply('belt', { reason: 'a'.repeat(999) }), null);
  assert.deepEqual([status(), draft.theirs], [422, undefined]);
  assert.equal((await draft.apply('belt', { reason: 'a' }))?.version, 1);
  assert.deepEqual([draft.error, held.get('belt')?.reason], [null, 'a']);
});

test('a change whose answer was lost is made once: trying again shows what is decided', async (t) => {
  const { draft, fates, held } = server(t);
  draft.begin(0);
  fates.push('lost after');
  assert.equal(await draft.apply('belt', { reason: 'a' }), null);
  assert.equal(await draft.apply('belt', { reason: 'a' }), null);
  assert.deepEqual([draft.theirs?.reason, held.get('belt')?.version], ['a', 1]);
});

test('one decision is on its way at a time', async (t) => {
  const { asked, draft, fates, releases } = server(t);
  draft.begin(0);
  fates.push('held back');
  const first = draft.apply('belt', { reason: 'a' });
  assert.equal(draft.busy, true);
  assert.equal(await draft.apply('belt', { reason: 'b' }), null, 'a second press');
  assert.equal(await draft.remove('belt'), null);
  releases[0]?.();
  assert.equal((await first)?.version, 1);
  assert.deepEqual([draft.busy, asked], [false, ['PUT belt *']]);
});

test('a page that is left receives nothing of its change', async (t) => {
  const { draft, fates, releases, seen, stopping } = server(t);
  draft.begin(0);
  fates.push('held back');
  const change = draft.apply('belt', { reason: 'a' });
  stopping.abort();
  seen.length = 0;
  releases[0]?.();
  assert.equal(await change, null);
  assert.deepEqual(seen, []);
});

test('a rule is tried and imported, and its devices are counted, without deciding anything', async () => {
  /** @type {[string, string, unknown][]} */
  const asked = [];
  const fetcher = async (/** @type {any} */ address, /** @type {RequestInit} */ { method = 'GET', headers, body }) => {
    asked.push([`${method} ${decodeURIComponent(String(address))}`, new Headers(headers).get('Content-Type') ?? '', body]);
    return new Response('{"total": 2}');
  };
  const requests = new RuleRequests(new History('', /** @type {typeof fetch} */ (fetcher)));
  /** @type {import('../static/js/model/rules.js').RuleBody} */
  const rule = { device_type: 'oven', area: 'Hall 3', labels: { line: '7', spare: '' }, condition: { kind: 'threshold', threshold: 28 }, severity: 'warning' };
  const trial = { name: 'high', rule, from: '-24h', alerts: 20 };
  await requests.attempt(trial);
  assert.equal((await requests.matching(rule)).total, 2);
  await requests.matching({ condition: rule.condition, severity: 'info' });
  const file = new Blob(['rules: []']);
  await requests.import(file, { dryRun: true, deleteOthers: false });
  await requests.import(file, { dryRun: false, deleteOthers: true });
  await requests.one('high');
  const part = 'never_sent=true&offset=0&limit=3';
  assert.deepEqual(asked, [
    ['POST api/v1/rules/try', 'application/json', JSON.stringify(trial)],
    // A label without a value stands for any value.
    [`GET api/v1/devices?type=oven&area=Hall+3&label=line=7&label=spare&${part}`, '', undefined],
    [`GET api/v1/devices?${part}`, '', undefined],
    ['POST api/v1/rules/import?dry_run=true&delete=false', 'application/yaml', file],
    ['POST api/v1/rules/import?dry_run=false&delete=true', 'application/yaml', file],
    ['GET api/v1/rules/high?', '', undefined],
  ]);
});

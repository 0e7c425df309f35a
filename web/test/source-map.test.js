// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HistoryError, History } from '../static/js/model/history.js';
import { MapDraft } from '../static/js/model/map-draft.js';
import { changesOf, rebased, refusalOf, sameRules } from '../static/js/model/source-map.js';

/**
 * @typedef {import('../static/js/model/source-rules.js').Rule} Rule
 * @typedef {import('../static/js/model/source-map.js').SourceMap} SourceMap
 */

/** @param {string} field @returns {Rule} */
const rule = (field) => ({ field, device: `d-${field}`, type: 'temperature_sensor' });
const rules = (/** @type {string} */ fields) => [...fields].map(rule);
const fields = (/** @type {readonly Rule[]} */ all) => all.map(({ field }) => field).join('');

/** @param {number} version @param {string} of @param {Partial<SourceMap>} [more] @returns {SourceMap} */
const map = (version, of, more = {}) => ({ version, origin: version > 0 ? 'decided' : 'configuration', rules: rules(of), in_force: true, ...more });

test('what becomes of rules is known whatever the order of their keys is', () => {
  const turned = { type: 'temperature_sensor', device: 'd-a', field: 'a' };
  assert.ok(sameRules(rules('ab'), [turned, rule('b')]) && !sameRules(rules('ab'), rules('ba')) && !sameRules(rules('a'), rules('aa')));
  const changes = (/** @type {string} */ before, /** @type {string} */ after) => {
    const { added, removed, moved } = changesOf(rules(before), rules(after));
    return [[...added].join(), fields(removed), moved];
  };
  assert.deepEqual(changes('abc', 'abc'), ['', '', false]);
  assert.deepEqual(changes('abc', 'xac'), ['0', 'b', false]);
  assert.deepEqual(changes('abc', 'bac'), ['', '', true]);
  assert.deepEqual(changes('ab', 'bxa'), ['1', '', true]);
  assert.deepEqual(changes('a', 'aa'), ['1', '', false]);
});

test('what was changed here is put upon what somebody else has decided', () => {
  const both = (/** @type {string} */ base, /** @type {string} */ mine, /** @type {string} */ theirs) => fields(rebased(rules(base), rules(mine), rules(theirs)));
  assert.equal(both('ab', 'xab', 'abc'), 'xabc');
  assert.equal(both('ab', 'axb', 'yab'), 'yaxb');
  assert.equal(both('ab', 'axb', 'ba'), 'bax', 'after the same rule as here; the order of the others is theirs');
  assert.equal(both('a', 'xya', 'b'), 'xyb', 'first, as here');
  assert.equal(both('abc', 'ac', 'abcd'), 'acd');
  assert.equal(both('abc', 'xabc', 'bc'), 'xbc', 'what they have removed stays so');
  assert.equal(both('ab', 'xab', 'xab'), 'xab', 'both have added the same');
  assert.equal(both('ab', 'x', ''), 'x');
});

test('a refusal says at which rule', () => {
  const refused = (/** @type {import('../static/js/model/history.js').Mistake[]} */ mistakes) => refusalOf(new HistoryError(422, 'validation failed', { mistakes }));
  assert.deepEqual(refused([{ message: 'rule 2: type: unknown', location: 'body.rules' }]), { rule: 2, reason: 'type: unknown' });
  assert.deepEqual(refused([{ message: 'too long', location: 'body.rules[1].device' }]), { rule: 1, reason: 'device: too long' });
  assert.deepEqual(refused([{ message: 'longer than 9 bytes', location: 'body.rules' }]), { rule: -1, reason: 'longer than 9 bytes' });
  assert.deepEqual(refused([]), { rule: -1, reason: 'validation failed' });
});

/**
 * A draft, what was asked, and the answers to come: an answer without a status was lost on its way.
 *
 * @param {...{status?: number, body?: unknown}} answers
 */
function drafted(...answers) {
  /** @type {{path: string, method: string, condition: string, body: any}[]} */
  const asked = [];
  let decided = 0;
  const fetcher = async (/** @type {any} */ path, /** @type {any} */ { method = 'GET', headers = {}, body = 'null' }) => {
    const condition = headers['If-Match'] ?? headers['If-None-Match'] ?? '';
    asked.push({ path: String(path).replace(/\?$/, ''), method, condition, body: JSON.parse(body) });
    const { status, body: answer = {} } = answers[asked.length - 1] ?? {};
    if (!status) throw new TypeError('Failed to fetch');
    return new Response(JSON.stringify(answer), { status });
  };
  const draft = new MapDraft(new History('', /** @type {typeof fetch} */ (fetcher)), { name: 'hall/3', onDecided: () => decided++ }, new AbortController().signal);
  return { draft, asked, decided: () => decided };
}

test('what is tried is decided upon the version that it is based on', async () => {
  const { draft, asked, decided } = drafted({ status: 200, body: map(1, 'xa') }, { status: 202, body: map(2, 'a', { in_force: false }) }, { status: 200, body: map(3, 'c', { origin: 'configuration' }) });
  draft.begin(rules('a'));
  const base = () => draft.base;
  assert.ok(!draft.dirty && base() === null);
  await draft.apply();
  assert.equal(asked.length, 0, 'nothing is decided before it is known what was');
  draft.take(map(0, 'a'));
  draft.edit(rules('xa'));
  assert.equal(draft.loss, 'typed');
  const applied = draft.apply();
  assert.equal(draft.loss, 'saving');
  draft.edit(rules('xay'));
  await applied;
  assert.deepEqual(asked[0], { path: 'api/v1/sources/hall%2F3/map', method: 'PUT', condition: '*', body: { rules: rules('xa') } });
  assert.deepEqual([fields(draft.rules), draft.dirty, base()?.version], ['xay', true, 1], 'what was changed meanwhile stays');
  await draft.restore(1);
  assert.deepEqual([asked[1]?.condition, asked[1]?.body], ['"1"', { restore: 1 }]);
  assert.deepEqual([fields(draft.rules), draft.dirty, base()?.in_force], ['a', false, false]);
  draft.take(map(2, 'a'));
  assert.deepEqual([base()?.in_force, draft.made], [true, true]);
  await draft.remove();
  assert.deepEqual([asked[2]?.method, asked[2]?.condition, fields(draft.rules), base()?.origin], ['DELETE', '"2"', 'c', 'configuration']);
  assert.equal(decided(), 4);
});

test('what was changed stays when somebody else decides, and is put upon that', async () => {
  const { draft, asked } = drafted({ status: 412 }, { status: 200, body: map(2, 'ab') }, { status: 200, body: map(3, 'xab') });
  draft.take(map(1, 'a'));
  draft.edit(rules('xa'));
  await draft.apply();
  assert.deepEqual([asked[1]?.method, draft.conflict, draft.theirs?.version, fields(draft.rules)], ['GET', true, 2, 'xa']);
  draft.edit(rules('xa'));
  assert.ok(draft.conflict);
  await draft.readAgain();
  assert.deepEqual([draft.conflict, draft.dirty, fields(draft.rules), draft.error], [false, true, 'xab', null]);
  await draft.apply();
  assert.deepEqual([asked[2]?.condition, draft.dirty, draft.made], ['"2"', false, true]);
  // Without changes here there is nothing to ask.
  draft.take(map(4, 'q'));
  assert.deepEqual([fields(draft.rules), draft.conflict, draft.made], ['q', false, false]);
  draft.edit(rules('qx'));
  draft.take(map(5, 'qr'));
  assert.ok(draft.conflict);
  draft.reset();
  assert.deepEqual([draft.base?.version, fields(draft.rules), draft.dirty, draft.conflict], [5, 'qr', false, false]);
});

test('an answer that was lost is found again', async () => {
  const { draft } = drafted({}, { status: 503, body: { detail: 'no database' } }, { status: 412 }, {}, { status: 200, body: map(7, 'bxa') });
  draft.take(map(1, 'a'));
  draft.edit(rules('xa'));
  await draft.apply();
  assert.ok(draft.error instanceof TypeError && draft.dirty && !draft.conflict);
  draft.take(map(2, 'xa'));
  assert.deepEqual([draft.error, draft.made, draft.dirty, draft.base?.version], [null, true, false, 2]);
  draft.edit(rules('bxa'));
  await draft.apply();
  assert.ok(draft.error instanceof HistoryError && draft.error.status === 503);
  draft.edit(rules('bxxa'));
  assert.equal(draft.error, null, 'what is wrong is not known of other rules');
  draft.edit(rules('bxa'));
  await draft.apply();
  assert.ok(draft.conflict && draft.theirs === null, 'what is there now could not be read');
  await draft.readAgain();
  assert.deepEqual([draft.conflict, draft.dirty, draft.base?.version], [false, false, 7]);
});

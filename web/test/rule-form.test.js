// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HistoryError } from '../static/js/model/history.js';
import { RuleDraft } from '../static/js/model/rule-draft.js';
import { blankForm, bodyOf, conditionFields, formOf, rebasedForm, sameForm } from '../static/js/model/rule-form.js';
import { kinds } from '../static/js/model/rules.js';

/**
 * @typedef {import('../static/js/model/rules.js').RuleBody} RuleBody
 * @typedef {import('../static/js/model/rules.js').Condition} Condition
 * @typedef {import('../static/js/model/rules.js').DecidedRule} DecidedRule
 */

/** One of each kind, with all that it may have. @type {Condition[]} */
const conditions = [
  { kind: 'threshold', below: true, threshold: -0.5, hysteresis: 0.1 },
  { kind: 'threshold', threshold: 0 },
  { kind: 'of_last', threshold: 0, limit: 0, last: 5 },
  { kind: 'levels', hysteresis: 1, levels: { low_low: { limit: 0, severity: 'critical' }, high: { limit: 90.5 } } },
  { kind: 'rise', threshold: 5, within_seconds: 90, hysteresis: 1 },
  { kind: 'fall', threshold: 5, within_seconds: 86400 },
  { kind: 'stuck', within_seconds: 3600 },
  { kind: 'average', threshold: 28, within_seconds: 600 },
  { kind: 'maximum', threshold: 28, within_seconds: 1.5 },
  { kind: 'minimum', below: true, threshold: 28, within_seconds: 600 },
  { kind: 'count', threshold: 3, limit: 80, within_seconds: 600, hysteresis: 1 },
  { kind: 'fraction', threshold: 0.07, limit: 80, below: true, within_seconds: 600, hysteresis: 0.01 },
  { kind: 'of_last', threshold: 2, limit: 80, last: 5 },
  { kind: 'deviation', threshold: 3, hysteresis: 0.5 },
  { kind: 'no_data', within_seconds: 120 },
  { kind: 'expression', threshold: 5, expression: 'value > average', within_seconds: 60 },
  { kind: 'expression', expression: 'value > previous' },
  { kind: 'offline' },
  /** @type {Condition} */ (/** @type {unknown} */ ({ kind: 'of a newer server', strength: 3 })),
];

/** @type {RuleBody} */
const full = {
  device_type: 'temperature_sensor', area: 'hall 3', labels: { line: 'a,b=c', new: '' }, devices: ['a', 'b,c'], except: [{ area: 'x' }, { labels: { test: '1' }, devices: ['e'] }], condition: { kind: 'threshold', threshold: 28 },
  for_seconds: 90, clear_for_seconds: 7200, severity: 'critical', latch: true, disabled: true, text: '热', text_en: 'hot', procedure: 'https://x',
};

test('a threshold that an older server leaves out because it is 0 is sent to a newer one', () => {
  assert.deepEqual(bodyOf(formOf({ ...full, condition: { kind: 'count', within_seconds: 60 } })).body.condition, { kind: 'count', threshold: 0, limit: 0, within_seconds: 60 });
  assert.deepEqual(bodyOf(formOf({ ...full, condition: { kind: 'stuck', within_seconds: 60 } })).body.condition, { kind: 'stuck', within_seconds: 60 });
});

test('a rule that is read into the form and out again says the same', () => {
  assert.deepEqual(kinds.filter((kind) => !conditions.some((condition) => condition.kind === kind)), []);
  for (const condition of conditions) {
    for (const rule of [{ ...full, condition }, { condition, severity: /** @type {const} */ ('info') }]) {
      const { body, mistakes } = bodyOf(formOf(rule));
      assert.deepEqual(mistakes, [], condition.kind);
      const { for_seconds: delay, ...rest } = rule;
      assert.deepEqual(body, condition.kind === 'no_data' ? rest : { ...rest, ...(delay && { for_seconds: delay }) }, condition.kind);
    }
  }
});

test('what cannot be read is named, and what a kind has not counts for nothing', () => {
  const named = (/** @type {Partial<import('../static/js/model/rule-form.js').RuleForm>} */ change) => bodyOf({ ...blankForm(), ...change }).mistakes.map(({ field, kind }) => `${field} ${kind}`);
  assert.deepEqual(named({}), ['condition.threshold missing']);
  assert.deepEqual(named({ threshold: '1,5', hysteresis: 'x' }), ['condition.threshold number', 'condition.hysteresis number']);
  assert.deepEqual(named({ threshold: '1', last: 'x', limit: 'y', expression: '', within: { text: 'z', unit: 1 } }), []);
  assert.deepEqual(named({ threshold: '1', for: { text: 'soon', unit: 1 } }), ['for_seconds number']);
  assert.deepEqual(named({ kind: 'levels' }), ['condition.levels missing']);
  assert.deepEqual(named({ kind: 'expression' }), ['condition.expression missing']);
  assert.deepEqual(named({ kind: 'no_data', for: { text: 'x', unit: 1 } }), ['condition.within_seconds missing']);
  assert.deepEqual(named({ kind: 'of_last' }), ['condition.threshold missing', 'condition.limit missing', 'condition.last missing']);
  assert.deepEqual(named({ kind: 'deviation' }), ['condition.threshold missing']);
  assert.deepEqual(named({ threshold: '1', labels: [['', 'x']], except: [{ area: '', labels: [['a', '1'], ['a', '2']], devices: '' }] }), ['labels pair', 'except[0].labels pair']);
  assert.deepEqual(bodyOf({ ...blankForm(), threshold: ' 1e2 ', except: [{ area: ' ', labels: [['', '']], devices: '\n' }], devices: 'a\n a \nb' }).body, { condition: { kind: 'threshold', threshold: 100 }, severity: 'warning', devices: ['a', 'b'] });
  assert.ok(kinds.every((kind) => conditionFields(kind).length > 0));
});

test('another way to write the same is the same; what was changed here is put upon what somebody else has decided', () => {
  const form = formOf(full);
  assert.ok(sameForm(form, { ...form, threshold: '28.0', for: { text: '1.5', unit: 60 }, last: '7' }));
  assert.ok(!sameForm(form, { ...form, threshold: 'x' }) && !sameForm(form, { ...form, severity: 'info' }));
  const theirs = formOf({ ...full, severity: 'info', area: 'hall 4' });
  const both = rebasedForm(form, { ...form, threshold: '30', area: 'hall 5' }, theirs);
  assert.deepEqual([both.threshold, both.severity, both.area], ['30', 'info', 'hall 5']);
});

test('a rule is added, changed and deleted on the version that it is based on', async () => {
  /** @type {string[]} */
  const asked = [];
  /** @type {DecidedRule} */
  let decided = { ...full, name: 'high', version: 4, origin: 'decided', in_force: true };
  let refused = 0;
  const answer = (/** @type {string} */ what, /** @type {object} */ body, version = 0) => {
    asked.push(`${what} ${version} ${Object.keys(body).length}`);
    if (refused) throw new HistoryError(refused, 'refused');
    return (decided = { ...decided, ...body, version: decided.version + 1 });
  };
  const requests = /** @type {import('../static/js/model/rule-requests.js').RuleRequests} */ (/** @type {unknown} */ ({
    one: async () => decided,
    create: async (/** @type {object} */ body) => answer('create', body),
    replace: async (/** @type {string} */ _, /** @type {{body: object, version: number}} */ { body, version }) => answer('replace', body, version),
    remove: async (/** @type {string} */ _, /** @type {number} */ version) => answer('remove', {}, version),
  }));
  const draft = new RuleDraft(requests, { name: 'high', onDecided: () => {} }, new AbortController().signal);
  draft.take(decided);
  assert.equal(draft.loss, '');
  draft.edit({ ...draft.value, threshold: '30' });
  assert.equal(draft.loss, 'typed');
  await draft.save();
  assert.deepEqual([draft.made, draft.base?.version, draft.base?.condition.threshold], [true, 5, 30]);
  // Somebody else is faster.
  draft.edit({ ...draft.value, threshold: '31' });
  decided = { ...decided, version: 6, severity: 'info' };
  refused = 412;
  await draft.save();
  assert.deepEqual([draft.conflict, draft.theirs?.version, draft.value.threshold], [true, 6, '31']);
  refused = 0;
  await draft.readAgain();
  assert.deepEqual([draft.conflict, draft.value.severity, draft.value.threshold, draft.dirty], [false, 'info', '31', true]);
  // An earlier version has more than what people decide.
  await draft.decideAs(/** @type {RuleBody} */ (/** @type {unknown} */ ({ ...decided, time: 't', actor: 'a', deleted: false })));
  await draft.remove();
  assert.deepEqual([draft.base?.version, draft.dirty, draft.made], [0, false, true]);
  assert.deepEqual(asked, ['replace 4 14', 'replace 5 14', 'replace 6 14', 'remove 7 0']);

  const fresh = new RuleDraft(requests, { name: '', onDecided: () => {} }, new AbortController().signal);
  fresh.fresh();
  assert.deepEqual([fresh.dirty, fresh.name], [false, '']);
  fresh.edit({ ...fresh.value, name: ' hot ', threshold: '1' });
  await fresh.save();
  assert.deepEqual([fresh.name, asked.at(-1)], ['hot', 'create 0 3']);
});

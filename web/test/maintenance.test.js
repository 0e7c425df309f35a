// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maintenancePath, scopeWords, weeklyWords, whenWords } from '../static/js/components/maintenance/words.js';
import { Locale } from '../static/js/locale/locale.js';
import { beginningNow, blankPlan, bodyOf, draftOf, inOrder, localTime, phaseOf, repeatsOf } from '../static/js/model/maintenance.js';

/**
 * @typedef {import('../static/js/model/maintenance.js').Maintenance} Maintenance
 * @typedef {import('../static/js/model/maintenance.js').PlanDraft} PlanDraft
 */

/**
 * Has the reader be somewhere until the test is over.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} zone
 */
function readerIn(t, zone) {
  const before = process.env['TZ'];
  process.env['TZ'] = zone;
  t.after(() => {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  });
}

const now = Date.parse('2026-03-01T12:00:00Z');

/** @param {Partial<Maintenance>} [more] @returns {Maintenance} */
const plan = (more = {}) => ({ name: 'belt', version: 3, ...more });

/** @param {...[from: string, until: string]} periods */
const at = (...periods) => periods.map(([from, until]) => ({ from: `2026-${from}Z`, until: `2026-${until}Z` }));

/** @param {Partial<PlanDraft>} more @param {Maintenance | null} [before] */
const decided = (more, before = null) => bodyOf({ ...blankPlan(now, 'UTC'), name: 'belt', reason: 'worn', ...more }, before);

test('maintenance is in the period that holds, or before the next one, or after the last', () => {
  const periods = at(['03-01T08:00:00', '03-01T10:00:00'], ['03-01T11:00:00', '03-01T13:00:00'], ['03-02T08:00:00', '03-02T10:00:00']);
  const [first, second, third] = periods.map(({ from, until }) => ({ from: Date.parse(from), until: Date.parse(until) }));
  const [begin, end] = [second?.from ?? 0, second?.until ?? 0];
  assert.deepEqual(phaseOf({ periods }, 0), { phase: 'planned', ...first });
  assert.deepEqual(phaseOf({ periods }, begin - 1), { phase: 'planned', ...second });
  assert.deepEqual(phaseOf({ periods }, begin), { phase: 'running', ...second });
  assert.deepEqual(phaseOf({ periods }, end), { phase: 'planned', ...third }, 'until is no part of it');
  assert.deepEqual(phaseOf({ periods }, Date.parse('2027-01-01T00:00:00Z')), { phase: 'over', ...third });
  assert.deepEqual(phaseOf({}, now), { phase: 'over', from: 0, until: 0 });
});

test('what is going on is listed first, then what comes next, then what was last', () => {
  const plans = [
    plan({ name: 'long ago', periods: at(['01-01T00:00:00', '01-02T00:00:00']) }),
    plan({ name: 'never' }),
    plan({ name: 'next week', periods: at(['03-08T00:00:00', '03-09T00:00:00']) }),
    plan({ name: 'until evening', periods: at(['03-01T00:00:00', '03-01T20:00:00']) }),
    plan({ name: 'yesterday', periods: at(['02-28T00:00:00', '02-28T01:00:00']) }),
    plan({ name: 'b until soon', periods: at(['03-01T11:00:00', '03-01T12:05:00']) }),
    plan({ name: 'tomorrow', periods: at(['03-02T00:00:00', '03-02T01:00:00']) }),
    plan({ name: 'a until soon', periods: at(['03-01T10:00:00', '03-01T12:05:00']) }),
  ];
  assert.deepEqual(inOrder(plans, now).map(({ name }) => name), ['a until soon', 'b until soon', 'until evening', 'tomorrow', 'next week', 'yesterday', 'long ago', 'never']);
  assert.equal(plans[0]?.name, 'long ago', 'the list that was given stays');
});

test('the same times of several days are one line, the days in the order of the week', () => {
  const repeats = repeatsOf([{ day: 'sun', from: '22:00', until: '06:00' }, { day: 'mon', from: '08:00', until: '09:00' }, { day: 'fri', from: '22:00', until: '06:00' }]);
  assert.deepEqual(repeats, [{ days: ['fri', 'sun'], from: '22:00', until: '06:00' }, { days: ['mon'], from: '08:00', until: '09:00' }]);
});

test('maintenance that begins at once says what it is about, and its name also when', (t) => {
  readerIn(t, 'Asia/Shanghai');
  const how = { seconds: 5400, reason: 'new belt', now, all: 'The whole plant' };
  const periods = [{ from: '2026-03-01T12:00:00.000Z', until: '2026-03-01T13:30:00.000Z' }];
  assert.deepEqual(beginningNow({ kind: 'area', value: 'Hall 3' }, how), { name: 'Hall 3 2026-03-01 20:00', body: { area: 'Hall 3', reason: 'new belt', periods } });
  assert.deepEqual(beginningNow({ kind: 'device', value: 'kiln' }, how).body, { devices: ['kiln'], reason: 'new belt', periods });
  assert.deepEqual(beginningNow({ kind: 'type', value: 'oven' }, how).body, { device_type: 'oven', reason: 'new belt', periods });
  assert.deepEqual(beginningNow({ kind: 'all', value: '' }, how), { name: 'The whole plant 2026-03-01 20:00', body: { reason: 'new belt', periods } });
});

test('the name of maintenance is short enough, and has no half characters', () => {
  for (const value of ['a'.repeat(300), '炉'.repeat(300), '🔥'.repeat(300)]) {
    const { name, body } = beginningNow({ kind: 'area', value }, { seconds: 60, reason: 'belt', now, all: '' });
    const bytes = new TextEncoder().encode(name).length;
    assert.ok(bytes > 110 && bytes <= 128, `${bytes} bytes`);
    assert.ok(value.startsWith(name.slice(0, name.indexOf(' '))) && !/\p{Surrogate}/u.test(name));
    assert.equal(body.area, value);
  }
});

test('something new is offered for tomorrow morning by the reader\'s clock, also over the night in which that is changed', (t) => {
  readerIn(t, 'Europe/Berlin');
  const evening = Date.parse('2026-03-28T22:30:00Z'); // The clocks go forward in this night.
  assert.deepEqual(blankPlan(evening, 'Europe/Berlin').periods, [{ from: '2026-03-29T08:00', until: '2026-03-29T16:00' }]);
  const made = bodyOf({ ...blankPlan(evening, 'Europe/Berlin'), name: ' belt ', reason: ' worn ' }, null);
  assert.deepEqual(made, { body: { reason: 'worn', periods: [{ from: '2026-03-29T06:00:00.000Z', until: '2026-03-29T14:00:00.000Z' }] } });
});

test('maintenance that is read into the form and out again says the same', (t) => {
  for (const zone of ['UTC', 'Asia/Kolkata', 'America/St_Johns']) {
    readerIn(t, zone);
    for (const before of [
      plan({ reason: 'belt', periods: at(['03-01T08:00:17', '03-01T10:00:59.5'], ['10-25T00:00:00', '10-26T00:00:00']) }),
      plan({ device_type: 'oven', area: 'Hall 3', labels: { line: '7', note: 'a, b' }, devices: ['a', 'b'], except: [{ area: 'Hall 3/1' }, { labels: { keep: '' } }], reason: 'new belt', periods: at(['03-01T08:00:00', '03-01T10:00:00']) }),
      plan({ reason: 'belt', weekly: [{ day: 'sat', from: '22:00', until: '06:00' }, { day: 'sun', from: '22:00', until: '06:00' }, { day: 'wed', from: '12:00', until: '12:30' }], time_zone: 'Asia/Shanghai' }),
    ]) {
      const { name: _, version: __, ...body } = before;
      assert.deepEqual(bodyOf(draftOf(before, blankPlan(now, zone)), before), { body }, zone);
    }
  }
});

test('times that look the same in the form stay what they are as long as nobody changes them', (t) => {
  readerIn(t, 'Europe/Berlin');
  // The hour from 02:00 comes twice in this night; the others are less than a minute long.
  const before = plan({ reason: 'belt', periods: at(['10-25T00:10:00', '10-25T01:10:00'], ['11-01T12:00:10', '11-01T12:00:50'], ['11-01T12:00:55', '11-01T13:00:00']) });
  const draft = draftOf(before, blankPlan(now, 'Europe/Berlin'));
  assert.deepEqual(draft.periods[0], { from: '2026-10-25T02:10', until: '2026-10-25T02:10' });
  assert.deepEqual(bodyOf({ ...draft, reason: 'new belt' }, before), { body: { reason: 'new belt', periods: before.periods } });
  const later = { ...draft, periods: [{ from: '2026-11-01T13:00', until: '2026-11-01T15:30' }] };
  assert.deepEqual(bodyOf(later, before), { body: { reason: 'belt', periods: at(['11-01T12:00:55', '11-01T14:30:00.000']) } }, 'what was not touched stays to the second');
});

test('maintenance of each week becomes that of given times, and no time of the weeks remains', (t) => {
  readerIn(t, 'UTC');
  const before = plan({ reason: 'belt', weekly: [{ day: 'sat', from: '22:00', until: '06:00' }], time_zone: 'UTC', periods: at(['03-07T22:00:30', '03-08T06:00:00']) });
  const draft = draftOf(before, blankPlan(now, 'Asia/Shanghai'));
  assert.deepEqual([draft.weekly, draft.zone, draft.periods], [true, 'UTC', blankPlan(now, 'UTC').periods]);
  const once = { ...draft, weekly: false, periods: [{ from: '2026-03-07T22:00', until: '2026-03-08T06:00' }] };
  assert.deepEqual(bodyOf(once, before), { body: { reason: 'belt', periods: at(['03-07T22:00:00.000', '03-08T06:00:00.000']) } });
});

test('a draft with a mistake is not decided, and the mistake is named', () => {
  const period = { from: '2026-03-02T08:00', until: '2026-03-02T16:00' };
  const repeat = { days: /** @type {import('../static/js/model/maintenance.js').Day[]} */ (['sat']), from: '22:00', until: '06:00' };
  for (const [more, mistake] of /** @type {[Partial<PlanDraft>, string][]} */ ([
    [{ name: '  ' }, 'name'],
    [{ reason: ' \u3000' }, 'reason'],
    [{ periods: [] }, 'periods'],
    [{ periods: [period, { ...period, until: '' }] }, 'times'],
    [{ periods: [{ ...period, from: 'tomorrow' }] }, 'times'],
    [{ periods: [{ from: period.until, until: period.from }] }, 'order'],
    [{ periods: [{ from: period.from, until: period.from }] }, 'order'],
    [{ weekly: true, repeats: [] }, 'days'],
    [{ weekly: true, repeats: [repeat, { ...repeat, days: [] }] }, 'days'],
    [{ weekly: true, repeats: [{ ...repeat, until: '' }] }, 'times'],
  ])) assert.deepEqual(decided(more), { mistake }, JSON.stringify(more));
  assert.ok('body' in decided({ weekly: true, repeats: [repeat], periods: [] }), 'over midnight, and without periods');
});

test('what is typed loosely is decided tidily, and what is empty is left out', () => {
  const made = decided({ area: ' Hall 3 ', labels: ' line = 7,, ', devices: '\n a \n\nb\n', reason: ' belt ', except: [{ area: ' ', labels: '', devices: '\n' }, { area: '', labels: '', devices: 'c' }] });
  assert.ok('body' in made);
  const { periods: _, ...about } = made.body;
  assert.deepEqual(about, { reason: 'belt', area: 'Hall 3', labels: { line: '7' }, devices: ['a', 'b'], except: [{ devices: ['c'] }] });
});

test('a time is that of the reader, to the minute', (t) => {
  readerIn(t, 'Asia/Kolkata');
  assert.equal(localTime(Date.parse('2026-01-01T23:59:59Z')), '2026-01-02T05:29');
});

test('when maintenance is, and what it is about, is said in both languages', (t) => {
  readerIn(t, 'UTC');
  const [en, zh] = [new Locale('en'), new Locale('zh')];
  const running = plan({ periods: at(['03-01T08:00:00', '03-01T13:00:00']) });
  assert.equal(whenWords(running, now, en), 'Until 13:00:00');
  assert.match(whenWords(running, now, zh), /13:00:00/);
  assert.match(whenWords(plan({ periods: at(['03-02T08:00:00', '03-02T13:00:00']) }), now, en), /^From 02\/03.*08:00:00 until 02\/03.*13:00:00$/);
  assert.equal(whenWords(plan({ periods: at(['03-01T08:00:00', '03-01T09:00:00']) }), now, en), 'Ended 09:00:00');
  assert.equal(whenWords(plan(), now, en), 'No time is planned');
  const nights = { from: '22:00', until: '06:00' };
  const weekly = /** @type {const} */ (['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']).map((day) => ({ day, ...nights }));
  assert.equal(weeklyWords(plan({ weekly, time_zone: 'Asia/Shanghai\u202e' }), en), 'Every day 22:00–06:00 (Asia/Shanghai[U+202E])');
  assert.equal(weeklyWords(plan({ weekly: weekly.slice(5), time_zone: 'UTC' }), zh), '周六，周日 22:00–06:00（UTC）');
  assert.equal(weeklyWords(running, en), '');
  const session = /** @type {import('../static/js/app/session.js').Session} */ (/** @type {unknown} */ ({ locale: en, typeName: (/** @type {string} */ type) => `Type ${type}` }));
  assert.equal(scopeWords(plan(), session), 'The whole plant');
  assert.equal(scopeWords(plan({ device_type: 'oven', area: 'Hall 3', except: [{ devices: ['a'] }, { area: 'x' }] }), session), 'Type oven, area Hall 3 · except a · area x');
  assert.equal(maintenancePath('belt & co'), 'maintenance?name=belt+%26+co');
});

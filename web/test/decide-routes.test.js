// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originWords, reasonWords, versionName } from '../static/js/components/notifications/words.js';
import { isAt } from '../static/js/components/form/groups.js';
import { Locale } from '../static/js/locale/locale.js';
import { blankCalendar, bodyOf as calendarOf, differentParts, formOf as calendarForm, rebasedCalendar, sameCalendar } from '../static/js/model/calendar-form.js';
import { calendarDecisions, CalendarDraft } from '../static/js/model/calendar-draft.js';
import { readDuration, typedDuration } from '../static/js/model/duration-form.js';
import { History } from '../static/js/model/history.js';
import { calendarPath, tryCalendar, tryRoutes } from '../static/js/model/notifications.js';
import { blankRoute, bodyOf, copyOf, formOf, placeOf, readRoute, readRoutes, rebasedRoutes, routeChanges, sameRoute, sameRoutes } from '../static/js/model/route-form.js';
import { RoutesDraft } from '../static/js/model/routes-draft.js';
import { calendarChanges, partWords } from '../static/js/pages/notifications/calendar/changes.js';
import { changeList, partChanges } from '../static/js/pages/notifications/routes/changes.js';

/**
 * @typedef {import('../static/js/model/notifications.js').NotificationRoute} NotificationRoute
 * @typedef {import('../static/js/model/notifications.js').CalendarBody} CalendarBody
 * @typedef {import('../static/js/model/route-form.js').RouteForm} RouteForm
 */

/** @type {NotificationRoute} */
const full = {
  name: 'night', disabled: true, severities: ['critical'], areas: ['hall 1', '焊接'], types: ['oven'], rules: ['high, low'], tenants: [''], labels: { line: 'a=b', empty: '' }, times: [{ days: ['sat'], from: '06:00', to: '18:00' }],
  time_zone: 'Asia/Shanghai', continue: true, channels: ['shift'], on_call: ['electricians'], group_by: ['rule'], wait_seconds: 0, interval_seconds: 90, repeat_seconds: 5400,
  escalate: [{ after_seconds: 900, channels: ['head'] }, { after_seconds: 86400, on_call: ['fitters'] }], quiet: [{ from: '22:00', to: '06:00' }],
};

/** @type {NotificationRoute} */
const bare = { name: 'rest', time_zone: 'UTC', group_by: [], wait_seconds: 5, interval_seconds: 60, repeat_seconds: 0, channels: ['shift'] };

test('a route that is read into the form and out again says the same, also what only a newer server knows', () => {
  for (const route of [full, bare, /** @type {NotificationRoute} */ (/** @type {unknown} */ ({ ...bare, weather: ['rain'] }))]) assert.deepEqual(bodyOf(formOf(route)), { body: route, mistakes: [] });
  // An input of the type time has no 24:00; 00:00 is the same end.
  assert.deepEqual(bodyOf(formOf({ ...bare, times: [{ from: '00:00', to: '24:00' }] })).body.times, [{ from: '00:00', to: '00:00' }]);
});

test('times are typed in the largest unit in which they are whole', () => {
  assert.deepEqual([0, 1, 90, 120, 7200, 86400, 172800, 1.5].map((seconds) => Object.values(typedDuration(seconds)).join(' ')), ['0 1', '1 1', '90 1', '2 60', '2 3600', '1 86400', '2 86400', '1.5 1']);
  assert.equal(readDuration({ text: ' 1.5 ', unit: 60 }), 90);
  assert.equal(readDuration({ text: '', unit: 60 }), 0);
  assert.ok(Number.isNaN(readDuration({ text: 'soon', unit: 60 })));
});

test('what cannot be read is named with its route and field', () => {
  const form = formOf(full);
  const wrong = { ...form, wait: { text: 'x', unit: 1 }, steps: form.steps.map((step) => ({ ...step, after: { text: '-', unit: 1 } })), labels: ['line'] };
  assert.deepEqual(readRoutes([formOf(bare), wrong]).mistakes.map(({ route, field, kind }) => `${route} ${field} ${kind}`),
    ['1 labels pair', '1 wait_seconds number', '1 escalate[0].after_seconds number', '1 escalate[1].after_seconds number']);
  for (const labels of [['=x'], ['a=1', ' a =2']]) assert.equal(readRoute({ ...form, labels }).mistakes.length, 1, labels.join());
  assert.equal(readRoute(form), readRoute(form), 'a form is read once');
  assert.ok(sameRoute(wrong, { ...wrong, id: 'other' }) && !sameRoute(wrong, { ...wrong, wait: { text: 'y', unit: 1 } }));
  assert.ok(!sameRoute(form, { ...form, name: 'day' }) && sameRoute(form, { ...form, interval: { text: '1.5', unit: 60 } }));
});

test('the place of a mistake that the server names is found in the form', () => {
  assert.deepEqual(placeOf('body.routes[3].escalate[0].after_seconds'), { route: 3, field: 'escalate[0].after_seconds' });
  assert.deepEqual(placeOf('body.routes[12]'), { route: 12, field: '' });
  for (const other of ['body.routes', 'body', '', undefined]) assert.equal(placeOf(other), null);
  assert.ok(isAt('channels', 'channels') && isAt('channels', 'channels[2]'));
  assert.ok(!isAt('channels', 'channels[2].x') && !isAt('escalate', 'escalate[0].channels') && !isAt('chan', 'channels'));
});

test('a copy has a free name, and a new route takes what a configured one has', () => {
  const routes = [formOf(bare), formOf({ ...bare, name: 'rest-2' })];
  const first = /** @type {RouteForm} */ (routes[0]);
  const copy = copyOf(first, routes, 'new 1');
  assert.deepEqual([copy.name, copy.id], ['rest-3', 'new 1']);
  assert.equal(copyOf(copy, [...routes, copy], 'new 2').name, 'rest-4');
  assert.ok(copyOf({ ...first, name: 'x'.repeat(63) }, routes, 'new 3').name.length <= 63);
  assert.deepEqual([blankRoute('new 4', 'UTC').id, readRoute(blankRoute('new 4', 'UTC')).mistakes], ['new 4', []]);
});

/** @param {string} names Letters; a capital one is the same route with another channel. */
const routesOf = (names) => [...names].map((name) => formOf({ ...bare, name: name.toLowerCase(), channels: [name] }, name.toLowerCase()));
/** @param {RouteForm[]} routes */
const namesOf = (routes) => routes.map(({ channels }) => channels[0]).join('');

test('what somebody else has decided is merged with what was changed here', () => {
  /** Base, mine, theirs, both. @type {[string, string, string, string, string][]} */
  const cases = [
    ['abc', 'abc', 'aBc', 'aBc', 'theirs alone'],
    ['abc', 'Abc', 'abC', 'AbC', 'different routes'],
    ['abc', 'aBc', 'abc', 'aBc', 'mine alone'],
    ['abc', 'ac', 'abC', 'aC', 'one removed here, another changed there'],
    ['abc', 'abC', 'ac', 'aC', 'one removed there, another changed here'],
    ['abc', 'aBc', 'ac', 'aBc', 'one changed here that was removed there stays'],
    ['abc', 'axbc', 'abcy', 'axbcy', 'added on both sides'],
    ['abc', 'xabc', 'abc', 'xabc', 'added at the beginning'],
    ['abc', 'cab', 'aBc', 'caB', 'the order of here'],
    ['abc', 'abC', 'bac', 'baC', 'the order of there'],
    ['abc', 'cab', 'bacz', 'czab', 'both have moved: the order of here, and what was added there behind the same route'],
    ['', 'a', '', 'a', 'nothing before'],
    ['abc', '', 'abcd', 'd', 'all removed here'],
  ];
  for (const [base, mine, theirs, want, what] of cases) assert.equal(namesOf(rebasedRoutes(routesOf(base), routesOf(mine), routesOf(theirs))), want, what);
});

test('to merge loses no change of either side', () => {
  let seed = 7;
  const random = (/** @type {number} */ below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const change = (/** @type {string} */ names, /** @type {string} */ fresh) => {
    const list = [...names];
    for (let i = random(4); i > 0; i--) {
      const at = random(list.length + 1);
      const kind = random(4);
      if (kind === 0) list.splice(at, 1);
      else if (kind === 1 && !list.includes(fresh)) list.splice(at, 0, fresh);
      else if (kind === 2 && list[at]) list[at] = String(list[at]).toUpperCase();
      else if (list[at]) list.splice(random(list.length), 0, ...list.splice(at, 1));
    }
    return list.join('');
  };
  for (let i = 0; i < 2000; i++) {
    const base = 'abcdef'.slice(0, random(7));
    const [mine, theirs] = [change(base, 'x'), change(base, 'y')];
    const both = namesOf(rebasedRoutes(routesOf(base), routesOf(mine), routesOf(theirs)));
    const why = `${base}: ${mine} + ${theirs} = ${both}`;
    assert.equal(new Set(both.toLowerCase()).size, both.length, why);
    for (const name of 'abcdefxy') {
      const capital = name.toUpperCase();
      const [was, own, other] = [base, mine, theirs].map((names) => (names.includes(name) ? name : names.includes(capital) ? capital : ''));
      const want = own !== was ? own : other;
      assert.equal(both.includes(name) ? name : both.includes(capital) ? capital : '', want, `${name} in ${why}`);
    }
    if (mine === base) assert.equal(both, theirs, why);
    if (theirs === base) assert.equal(both, mine, why);
  }
});

test('how routes differ is said by their names, and the fewest are said to be moved', () => {
  const of = (/** @type {string} */ names) => [...names].map((name) => ({ ...bare, name: name.toLowerCase(), channels: [name] }));
  const said = (/** @type {string} */ before, /** @type {string} */ after) => routeChanges(of(before), of(after)).map(({ kind, name }) => `${kind} ${name}`).join();
  assert.equal(said('abc', 'abc'), '');
  assert.equal(said('abc', 'aBcd'), 'changed b,added d');
  assert.equal(said('abc', 'c'), 'removed a,removed b');
  assert.equal(said('abcdef', 'fabcde'), 'moved f');
  assert.equal(said('abcdef', 'bcdefa'), 'moved a');
  assert.equal(said('', ''), '');
});

const en = new Locale('en');
const zh = new Locale('zh');
const session = /** @type {import('../static/js/app/session.js').Session} */ (/** @type {unknown} */ ({ locale: en, typeName: (/** @type {string} */ type) => type }));

test('the parts in which a route differs are said in words', () => {
  const said = (/** @type {Partial<NotificationRoute>} */ change) => partChanges(bare, { ...bare, ...change }, session).join(' | ');
  assert.equal(said({ disabled: true }), 'State: from “enabled” to “disabled”');
  assert.match(said({ severities: ['critical'] }), /^Which alerts: from “All alerts.*” to “Critical”$/);
  assert.match(said({ channels: ['head'], wait_seconds: 60 }), /^Who is notified: from “shift” to “head” \| How often: from “after 5 s.*” to “after 1 min/);
  assert.equal(said({ time_zone: 'Asia/Tokyo' }), 'Time zone, or another part');
  assert.ok(changeList([bare], [bare], session) && changeList([bare], [full], session));
});

test('why a decision is not in force is said in the language of the page, and what a newer server says in its words', () => {
  const origin = { program: 'consumer', host: 'a', since: '' };
  for (const code of ['no_program', 'older_version', 'not_taken_over']) {
    assert.doesNotMatch(reasonWords({ reason: 'English', reason_code: code }, origin, zh), /English/);
    assert.notEqual(reasonWords({ reason_code: code }, origin, zh), '');
  }
  assert.match(reasonWords({ reason_code: 'older_version' }, origin, zh), /a 上的 consumer/);
  assert.equal(reasonWords({ reason: 'the moon\u200b', reason_code: 'of a newer server' }, origin, zh), 'the moon[U+200B]');
  assert.equal(reasonWords({ reason: 'of an older server' }, undefined, en), 'of an older server');
  assert.match(originWords({ version: 3, decided_by: 'people', in_force: true }, origin, 'Anna, 12:00', en), /version 3: Anna, 12:00$/);
  assert.match(originWords({ version: 0, decided_by: 'configuration', in_force: true }, { ...origin, file: '/etc/x.yaml' }, '', en), /\/etc\/x\.yaml of consumer on a/);
  assert.notEqual(originWords({ version: 0, decided_by: 'configuration', in_force: true }, undefined, '', en), '');
  assert.notEqual(versionName({ version: 2, deleted: true }, en), versionName({ version: 2 }, en));
});

/** A server that holds routes, or a calendar. @param {Record<string, any>} held */
function server(held) {
  /** @type {string[]} */
  const asked = [];
  const state = { held, fate: '' };
  const fetcher = async (/** @type {any} */ address, /** @type {RequestInit} */ { method = 'GET', headers = {}, body = '' }) => {
    const { 'If-Match': match, 'If-None-Match': none } = /** @type {Record<string, string>} */ (headers);
    asked.push([method, decodeURIComponent(String(address).replace('api/v1/notifications/', '')), match ?? none].filter(Boolean).join(' '));
    if (state.fate) return new Response(JSON.stringify({ detail: 'no' }), { status: Number(state.fate) });
    if (match && match !== `"${state.held['version']}"`) return new Response(JSON.stringify({ detail: 'another version' }), { status: 412 });
    const sent = body ? JSON.parse(String(body)) : {};
    if (method === 'PUT') state.held = { ...state.held, ...(sent.routes && { items: sent.routes }), ...sent.calendar, version: state.held['version'] + 1, decided_by: 'people' };
    if (method === 'DELETE') state.held = { ...state.held, version: 0, decided_by: 'configuration' };
    return new Response(JSON.stringify(String(address).includes('versions') ? { items: [{ version: 1 }] } : state.held));
  };
  return { asked, state, history: new History('', /** @type {typeof fetch} */ (fetcher)) };
}

test('routes are decided, merged with what others decide, restored and taken back', async () => {
  const { asked, history, state } = server({ items: [bare, full], version: 0, in_force: true, decided_by: 'configuration' });
  let decided = 0;
  const draft = new RoutesDraft(history, { onDecided: () => decided++ }, new AbortController().signal);
  draft.take(/** @type {any} */ (state.held));
  assert.deepEqual([draft.dirty, draft.value.length, decided], [false, 2, 1]);
  draft.take(/** @type {any} */ ({ ...state.held, items: [bare] }));
  assert.deepEqual([draft.dirty, draft.value.length], [false, 1], 'the file was changed');
  draft.take(/** @type {any} */ (state.held));
  const changed = (/** @type {string} */ channel) => draft.edit(draft.value.map((route) => (route.name === 'rest' ? { ...route, channels: [channel] } : route)));
  changed('head');
  assert.deepEqual([draft.dirty, draft.loss], [true, 'typed']);
  await draft.save('why & how');
  assert.deepEqual([draft.made, draft.dirty, draft.base?.version], [true, false, 1]);
  changed('chief');
  state.held = { ...state.held, items: [{ ...bare, channels: ['head'] }, { ...full, channels: ['x'] }], version: 2 };
  await draft.save();
  assert.deepEqual([draft.conflict, draft.theirs?.version, draft.value[0]?.channels], [true, 2, ['chief']]);
  await draft.readAgain();
  assert.deepEqual([draft.conflict, draft.value[0]?.channels, draft.value[1]?.channels], [false, ['chief'], ['x']]);
  await draft.save('mine');
  await draft.restore(1, 'back');
  await draft.remove('enough');
  assert.deepEqual([draft.made, draft.base?.version, (await draft.versions(new AbortController().signal)).length], [true, 0, 1]);
  assert.deepEqual(asked.filter((one) => !one.startsWith('GET')), [
    'PUT routes?reason=why+&+how *', 'PUT routes "1"', 'PUT routes?reason=mine "2"', 'PUT routes?reason=back "3"', 'DELETE routes?reason=enough "4"',
  ]);
  changed('late');
  state.fate = '503';
  await draft.save();
  assert.deepEqual([draft.made, draft.dirty, draft.conflict], [false, true, false], 'what was typed stays');
  assert.ok(sameRoutes(draft.value, draft.value));
});

/** @type {CalendarBody} */
const calendar = {
  name: 'electricians', time_zone: 'Europe/Berlin', overrides: [{ from: '2026-12-24T12:00', until: '2026-12-27T06:00', channels: ['head'] }], shifts: [{ days: ['sat'], from: '06:00', to: '18:00', channels: ['anna'] }],
  rotation: { start: '2026-01-05T06:00', days: 7, channels: ['anna', 'bert'] }, otherwise: ['head'],
};

test('a calendar that is read into the form and out again says the same', () => {
  const { overrides: _, shifts: __, rotation: ___, ...rest } = calendar;
  for (const one of [calendar, rest]) assert.deepEqual(calendarOf(calendarForm(one)), { body: one, mistakes: [] });
  for (const turn of ['', 'x', '1.5']) assert.equal(calendarOf({ ...calendarForm(calendar), turn }).mistakes.length, 1, turn);
  assert.ok(sameCalendar(calendarForm(calendar), { ...calendarForm(calendar), turn: ' 7 ' }) && !sameCalendar(calendarForm(calendar), { ...calendarForm(calendar), turn: 'x' }));
  assert.equal(calendarOf({ ...blankCalendar('UTC'), turn: 'x' }).mistakes.length, 0, 'what does not rotate has no turn');
  const both = rebasedCalendar(calendarForm(calendar), { ...calendarForm(calendar), otherwise: ['bert'] }, { ...calendarForm(calendar), zone: 'UTC' });
  assert.deepEqual([both.otherwise, both.zone], [['bert'], 'UTC']);
});

test('the parts in which calendars differ are said in words', () => {
  assert.deepEqual(differentParts(calendar, calendar), []);
  assert.deepEqual(differentParts(calendar, { name: 'electricians', time_zone: 'UTC', otherwise: ['anna'] }), ['time_zone', 'overrides', 'shifts', 'rotation', 'otherwise']);
  assert.match(partWords(calendar, 'overrides', en), /2026-12-24 12:00 to 2026-12-27 06:00 head/);
  assert.match(partWords(calendar, 'shifts', en), /Sat 06:00–18:00 anna/);
  assert.match(partWords(calendar, 'rotation', en), /every 7 days from 2026-01-05 06:00: anna, bert/);
  assert.equal(partWords({ ...calendar, otherwise: [] }, 'otherwise', en), '–');
  assert.ok(calendarChanges(calendar, calendar, en) && calendarChanges(calendar, { ...calendar, otherwise: [] }, zh));
});

test('a calendar is added, changed, restored and deleted on the version that it is based on', async () => {
  const { asked, history, state } = server({ ...calendar, version: 0, in_force: true, decided_by: 'configuration', configured: false, next: [] });
  const fresh = new CalendarDraft(calendarDecisions(history), { name: '', onDecided: () => {} }, new AbortController().signal);
  fresh.fresh('UTC');
  assert.deepEqual([fresh.dirty, fresh.value.zone, fresh.name], [false, 'UTC', '']);
  fresh.edit({ ...fresh.value, name: ' fitters ', otherwise: ['anna'] });
  await fresh.save();
  assert.deepEqual([fresh.made, fresh.name], [true, 'fitters']);
  const draft = new CalendarDraft(calendarDecisions(history), { name: 'fitters', onDecided: () => {} }, new AbortController().signal);
  draft.take(/** @type {any} */ (state.held));
  draft.edit({ ...draft.value, otherwise: ['bert'] });
  await draft.save('ill');
  await draft.restore(1);
  await draft.remove('gone');
  assert.deepEqual([draft.made, draft.base?.version], [true, 0]);
  assert.equal((await draft.versions(new AbortController().signal)).length, 1);
  state.held['configured'] = true;
  draft.take(/** @type {any} */ ({ ...state.held, version: 9 }));
  state.held['version'] = 9;
  await draft.remove();
  assert.deepEqual(asked, ['PUT calendars/fitters *', 'PUT calendars/fitters?reason=ill "1"', 'PUT calendars/fitters "2"', 'DELETE calendars/fitters?reason=gone "3"', 'GET calendars/fitters/versions?',
    'DELETE calendars/fitters "9"', 'GET calendars/fitters?']);
  await tryCalendar(history, calendar);
  await tryRoutes(history, { severity: 'critical', routes: [bare] });
  assert.deepEqual(asked.slice(-2), ['POST calendars/try', 'POST try']);
  assert.deepEqual([calendarPath('a b'), calendarPath('')], ['notifications/calendar?name=a+b', 'notifications/calendar']);
});

test('a time of a plan is by the clocks of its zone, or by those of the reader if there is no such zone', () => {
  const at = Date.parse('2026-01-05T06:00:00Z');
  assert.match(en.planned(at, 'Asia/Shanghai'), /Mon.*14:00/);
  assert.match(en.planned(at, 'Asia/Shanghai'), /14:00/);
  assert.notEqual(zh.planned(at, 'Mars'), '');
});

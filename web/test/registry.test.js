// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Address } from '../static/js/app/address.js';
import { Preferences } from '../static/js/app/preferences.js';
import { rangeSegment } from '../static/js/components/range-segment.js';
import { areaPaths } from '../static/js/model/areas.js';
import { Choice } from '../static/js/model/choice.js';
import { DeviceList } from '../static/js/model/device-list.js';
import { EntryChanges } from '../static/js/model/entry-changes.js';
import { EntryForm } from '../static/js/model/entry-form.js';
import { differences, draftOf, entryOf, patchOf, patched } from '../static/js/model/entry.js';
import { History, HistoryError } from '../static/js/model/history.js';
import { each, ManyChanges } from '../static/js/model/many-changes.js';
import { Unsaved } from '../static/js/model/unsaved.js';
import { Locale } from '../static/js/locale/locale.js';
import { decisionWords } from '../static/js/components/registry/decision.js';
import { labelWords, limitWords, partNames } from '../static/js/components/registry/words.js';
import { addressedQuery, filtersDiffer, narrows, ordered, sameQuery } from '../static/js/pages/devices/query.js';

/**
 * @typedef {import('../static/js/model/device-list.js').ListedDevice} ListedDevice
 * @typedef {import('../static/js/model/entry.js').Draft} Draft
 */

/** @param {string} search */
function address(search) {
  return new Address({ location: { pathname: '/devices', search }, history: { state: null, pushState() {}, replaceState() {} } });
}

/** @param {number} from @param {number} count @returns {ListedDevice[]} */
const devices = (from, count) => Array.from({ length: count }, (_, i) => ({ device_id: `d${from + i}`, status: 'online' }));

const query = addressedQuery(address(''));

test('the query of the list is in the address, and what it does not know is left out', () => {
  const asked = addressedQuery(address('?type=oven&status=broken&search=a&sort=name&order=desc'));
  assert.deepEqual(asked, { type: 'oven', area: '', status: '', label: '', q: 'a', sort: 'name', order: 'desc' });
  assert.equal(addressedQuery(address('?sort=password')).sort, 'id');
  assert.ok(narrows(asked) && !narrows(query));
  assert.deepEqual(ordered(query, 'name'), { sort: 'name', order: '' });
  assert.deepEqual(ordered({ ...query, sort: 'name' }, 'name'), { sort: 'name', order: 'desc' });
  assert.deepEqual(ordered(asked, 'name'), { sort: 'name', order: '' });
  assert.ok(sameQuery(query, { ...query }) && !sameQuery(query, null) && !sameQuery(query, asked));
  assert.ok(!filtersDiffer(asked, { ...asked, sort: 'id', order: 'asc' }) && filtersDiffer(asked, query));
});

test('of a long list only what can be seen is held, and what is next to it', () => {
  const list = new DeviceList();
  assert.ok(!list.known && !list.lacks(0, 0));
  assert.deepEqual(DeviceList.part(0, 30), { offset: 0, limit: 130 });
  list.apply(query, { offset: 0, items: devices(0, 130), total: 100_000 });
  assert.equal(list.at(5)?.device_id, 'd5');
  assert.ok(!list.lacks(0, 30) && !list.lacks(60, 30), 'rows ahead are there already');
  assert.ok(list.lacks(80, 30) && list.lacks(50_000, 30));
  const part = DeviceList.part(50_000, 30);
  assert.deepEqual(part, { offset: 49_900, limit: 230 });
  list.apply(query, { offset: part.offset, items: devices(part.offset, part.limit), total: 100_000 });
  assert.equal(list.items.length, 230);
  assert.equal(list.at(50_000)?.device_id, 'd50000');
  assert.equal(list.at(5), undefined, 'what was seen before is asked for again');
  list.apply(query, { offset: 99_900, items: devices(99_900, 100), total: 100_000 });
  assert.ok(!list.lacks(99_970, 30), 'nothing comes after the last');
});

test('an entry that was decided here is shown until the server lists it', () => {
  const list = new DeviceList();
  const items = (/** @type {number | undefined} */ version) => [{ ...devices(1, 1)[0], ...(version && { registered: { version, name: `v${version}` } }) }];
  const show = (/** @type {number | undefined} */ version) => list.apply(query, { offset: 0, items: /** @type {ListedDevice[]} */ (items(version)), total: 1 });
  show(undefined);
  list.enter('d1', { version: 2, name: 'mine' });
  assert.equal(list.at(0)?.registered?.name, 'mine');
  show(undefined);
  assert.equal(list.at(0)?.registered?.name, 'mine', 'not in force yet');
  show(3);
  assert.equal(list.at(0)?.registered?.name, 'v3', 'somebody has changed it since');
  show(1);
  assert.equal(list.at(0)?.registered?.name, 'v1', 'it is remembered no longer');
});

test('what is chosen is known by its newest version', () => {
  /** @type {Choice<number>} */
  const choice = new Choice();
  choice.add('a', 1);
  choice.renew([['a', 2], ['b', 3]]);
  assert.deepEqual(choice.entries, [['a', 2]]);
  choice.delete('a');
  choice.delete('a');
  assert.equal(choice.version, 2, 'nothing has changed the second time');
  choice.replace([['c', 1], ['d', 2]]);
  assert.ok(choice.has('c') && choice.size === 2);
});

test('a patch says what has changed and nothing else', () => {
  const entry = { name: 'Kiln', labels: { line: '3', zone: 'b' }, limits: { high: 40 }, interval_seconds: 5 };
  const draft = draftOf(entry);
  assert.deepEqual(patchOf(entry, /** @type {any} */ (entryOf(draft).entry)), {}, 'a form that nobody has typed in');
  /** @type {Draft} */
  const typed = { ...draft, name: ' ', retired: true, labels: [['line', '4'], ['new', ''], ['', '']], limits: [['high', ''], ['low', '-1.5']], interval: '' };
  const { entry: after } = entryOf(typed);
  assert.ok(after);
  const patch = patchOf(entry, after);
  assert.deepEqual(patch, { name: null, interval_seconds: null, retired: true, labels: { zone: null, line: '4', new: '' }, limits: { high: null, low: -1.5 } });
  assert.deepEqual(patched(entry, patch), { retired: true, labels: { line: '4', new: '' }, limits: { low: -1.5 } });
  assert.deepEqual(differences({ unit: 'K' }, {}), ['unit']);
  assert.deepEqual(differences(entry, after), ['name', 'labels', 'limits', 'interval_seconds', 'retired']);
  // A label may be called like what every object has.
  assert.deepEqual(patchOf({}, { labels: { constructor: 'x' } }), { labels: { constructor: 'x' } });
});

test('a form with a mistake is no entry', () => {
  const draft = draftOf();
  const mistake = (/** @type {Partial<Draft>} */ change) => entryOf({ ...draft, ...change }).mistake;
  assert.equal(mistake({}), null);
  assert.equal(mistake({ interval: '5 s' })?.field, 'interval');
  assert.equal(mistake({ interval: '-1' })?.field, 'interval');
  assert.equal(mistake({ interval: '1e999' })?.kind, 'number');
  assert.equal(mistake({ limits: [['high', 'hot']] })?.name, 'high');
  assert.equal(mistake({ labels: [['', 'b']] })?.kind, 'nameless');
  assert.equal(mistake({ labels: [['a', '1'], ['a ', '2']] })?.kind, 'twice');
});

test('areas come with those below them, and no more than are wanted', () => {
  const tree = { area: '', children: [{ area: 'a', children: [{ area: 'a/1' }, { area: 'a/2' }] }, { area: 'b' }] };
  assert.deepEqual(areaPaths(tree, 10), ['a', 'a/1', 'a/2', 'b']);
  assert.deepEqual(areaPaths(tree, 2), ['a', 'a/1']);
});

/**
 * A server that answers in order, and what it was asked.
 *
 * @param {...{status?: number, body?: unknown, etag?: string}} answers
 */
function server(...answers) {
  /** @type {{path: string, request: RequestInit}[]} */
  const asked = [];
  const fetcher = async (/** @type {any} */ path, /** @type {any} */ request) => {
    const { status = 200, body = {}, etag } = answers[asked.length] ?? { status: 500 };
    asked.push({ path: String(path), request });
    return new Response(status === 204 ? null : JSON.stringify(body), { status, headers: etag ? { ETag: etag } : {} });
  };
  return { asked, history: new History('', fetcher) };
}

test('a change names the entry on which it is based', async () => {
  const { asked, history } = server({}, {}, { status: 412, etag: '"9"' }, { status: 422, body: { detail: 'wrong', errors: [{ message: 'too long', location: 'body.name' }] } });
  await history.changeEntry('a/b', { patch: { name: 'x' }, version: 7 });
  await history.changeEntry('a', { patch: { name: null }, version: 0 });
  assert.equal(asked[0]?.path, 'api/v1/devices/a%2Fb');
  const headers = asked.map(({ request }) => /** @type {Record<string, string>} */ (request.headers));
  assert.equal(headers[0]?.['If-Match'], '"7"');
  assert.equal(headers[1]?.['If-None-Match'], '*');
  assert.equal(asked[1]?.request.body, '{"name":null}');
  await assert.rejects(history.changeEntry('a', { patch: {}, version: 7 }), (error) => error instanceof HistoryError && error.status === 412 && error.version === 9);
  await assert.rejects(history.changeEntry('a', { patch: {}, version: 7 }), (error) => error instanceof HistoryError && error.mistakes[0]?.message === 'too long');
});

test('a device is gone, or will be', async () => {
  const { asked, history } = server({ status: 204 }, { status: 202 });
  assert.deepEqual([await history.forget('a'), await history.forget('a')], [true, false]);
  assert.equal(asked[0]?.request.method, 'DELETE');
});

test('devices are asked for by what the query says', async () => {
  const { asked, history } = server({}, {}, {});
  await history.devices({ ...query, status: 'alerting', q: 'ä&' }, { offset: 100, limit: 230 });
  await history.devices({ ...query, status: 'retired' }, { offset: 0, limit: 10 });
  await history.devices({ ...query, status: 'offline' }, { offset: 0, limit: 10 });
  assert.equal(asked[0]?.path, 'api/v1/devices?q=%C3%A4%26&sort=id&order=asc&has_open_alerts=true&never_sent=true&offset=100&limit=230');
  assert.match(String(asked[1]?.path), /&retired=true&/);
  assert.match(String(asked[2]?.path), /&status=offline&/);
});

test('changes of one device follow one another, each based on the one before', async () => {
  const { asked, history } = server({ body: { version: 3 } }, { body: { version: 4 } }, { status: 412 }, { body: { registered: { version: 9, name: 'theirs' } } }, { body: { version: 10 } });
  /** @type {[string, number][]} */
  const saved = [];
  const changes = new EntryChanges(history, (id, { version }) => saved.push([id, version]), new AbortController().signal);
  const idle = async () => {
    while (changes.pending('a', 'name') !== undefined || changes.pending('a', 'area') !== undefined) await new Promise(setImmediate);
  };
  changes.make({ id: 'a', field: 'name', value: 'Kiln' }, 2);
  changes.make({ id: 'a', field: 'area', value: 'hall' }, 2);
  assert.equal(changes.pending('a', 'name'), 'Kiln');
  await idle();
  const based = () => asked.map(({ request }) => /** @type {Record<string, string>} */ (request.headers ?? {})['If-Match']);
  assert.deepEqual(based(), ['"2"', '"3"']);
  changes.make({ id: 'a', field: 'name', value: 'Mine' }, 4);
  await idle();
  assert.ok(changes.failure?.conflict);
  assert.equal(changes.failure.now?.name, 'theirs');
  changes.make(changes.failure.change, changes.failure.now?.version ?? 0);
  await idle();
  assert.equal(changes.failure, null);
  assert.deepEqual(based(), ['"2"', '"3"', '"4"', undefined, '"9"']);
  assert.deepEqual(saved, [['a', 3], ['a', 4], ['a', 9], ['a', 10]]);
});

test('many are changed few at a time, and no more once it is stopped', async () => {
  const stopping = new AbortController();
  let [running, most, done] = [0, 0, 0];
  const act = async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
    if (++done === 20) stopping.abort();
  };
  await each(Array.from({ length: 100 }, (_, i) => i + 1), act, { atOnce: 8, signal: stopping.signal });
  assert.equal(most, 8);
  assert.ok(done >= 20 && done < 30, `${done} were done`);
  await each([], act, { atOnce: 8, signal: stopping.signal });
});

test('what is typed into a form stays when somebody else changes the entry', async () => {
  const { asked, history } = server({ status: 412, etag: '"3"' }, { body: { version: 4, name: 'Mine', area: 'south', in_force: false } }, { status: 503 });
  const form = new EntryForm(history, 'kiln', new AbortController().signal);
  const outcome = () => form.outcome?.kind ?? '';
  const name = () => form.draft.name;
  form.take({ version: 1, name: 'Kiln', area: 'north' });
  assert.ok(!form.dirty && outcome() === '', 'the first entry is no news');
  form.type({ name: 'Mine' });
  assert.ok(form.dirty);
  await form.save();
  assert.equal(outcome(), 'conflict');
  form.take({ version: 3, name: 'Kiln', area: 'south' });
  assert.deepEqual(form.outcome, { kind: 'changed', parts: ['area'], unsaved: true });
  assert.deepEqual([form.draft.name, form.draft.area], ['Mine', 'south']);
  await form.save();
  assert.equal(asked[1]?.request.body, '{"name":"Mine"}');
  assert.equal(outcome(), 'waiting');
  form.take({ version: 3, name: 'Kiln', area: 'south' });
  assert.equal(name(), 'Mine', 'an answer from before it is in force');
  form.take({ version: 5, name: 'Theirs', area: 'south' });
  assert.deepEqual(form.outcome, { kind: 'changed', parts: ['name'], unsaved: false });
  form.type({ interval: 'often' });
  await form.save();
  assert.equal(outcome(), 'mistake');
  form.take({ version: 6 });
  assert.equal(form.draft.interval, 'often', 'a mistake stays, too');
  form.type({ interval: '5' });
  await form.save();
  assert.equal(outcome(), 'failed');
  form.reset();
  assert.deepEqual([form.dirty, name()], [false, '']);
  form.take(undefined);
  assert.equal(form.base.version, 0, 'the device was forgotten');
});

test('many are changed by one request; those that cannot be are named, and the others are sent again without them', async () => {
  const refused = { errors: [{ message: 'the entry of device "b" has version 9', location: 'body.version', value: 'b' }, { message: 'must not be empty', location: 'body.area', value: 'd' }] };
  const decision = { actor: 'ann', time: '2026-03-01T12:00:00Z', before: { version: 8 }, after: { version: 9, name: 'Theirs' } };
  const items = [{ device_id: 'a', after: { version: 2 } }];
  const { asked, history } = server({ status: 412, body: refused }, { body: { changed: 1, in_force: false, items } }, { body: { items: [decision] } },
    { body: { changed: 2, in_force: true, items: [{ device_id: 'b', after: { version: 10 } }, { device_id: 'd', after: { version: 1 } }] } });
  /** @type {string[]} */
  const saved = [];
  const changes = new ManyChanges(history, (id) => saved.push(id), new AbortController().signal);
  changes.begin([{ id: 'a', version: 1 }, { id: 'b', version: 1 }, { id: 'c', version: 3 }, { id: 'd', version: 0 }]);
  for (const [typed, mistake] of /** @type {const} */ ([[{}, 'nothing'], [{ interval: 'x', setInterval: true }, 'interval'], [{ interval: '', labels: 'set' }, 'label']])) {
    changes.type(typed);
    await changes.apply();
    assert.equal(changes.mistake, mistake);
  }
  assert.equal(asked.length, 0);
  assert.equal(changes.loss, 'typed');
  changes.type({ label: ' line ', value: '3', setArea: true, area: '', retired: 'no' });
  const applied = changes.apply();
  assert.equal(changes.loss, 'saving');
  await applied;
  const patch = { area: null, interval_seconds: null, labels: { line: '3' }, retired: null };
  const sent = asked.map(({ request: { body } }) => JSON.parse(String(body ?? 'null')));
  assert.equal(asked[0]?.path, 'api/v1/devices');
  assert.deepEqual(sent[0], { devices: [{ device_id: 'a', version: 1 }, { device_id: 'b', version: 1 }, { device_id: 'c', version: 3 }, { device_id: 'd', version: 0 }], patch });
  assert.deepEqual(sent[1].devices, [{ device_id: 'a', version: 1 }, { device_id: 'c', version: 3 }]);
  assert.equal(asked[2]?.path, 'api/v1/audit?device=b&limit=1');
  assert.deepEqual(changes.progress, { all: 4, changed: 1, same: 1, waiting: 1 });
  assert.deepEqual(changes.failed.map(({ id, version, other }) => [id, version, other?.actor, other?.parts]), [['b', undefined, 'ann', ['name']], ['d', 0, undefined, undefined]]);
  const locale = new Locale('en');
  assert.deepEqual(changes.failed.map(({ error }) => decisionWords(error, locale)), ['Not changed: somebody else has changed this device meanwhile.', 'Not changed: area: must not be empty']);
  assert.equal(changes.loss, '');
  await changes.again();
  // What somebody else has changed is no reason any more; what the device was is still one.
  assert.deepEqual(JSON.parse(String(asked[3]?.request.body)).devices, [{ device_id: 'b' }, { device_id: 'd', version: 0 }]);
  assert.deepEqual([changes.failed, changes.progress, saved], [[], { all: 2, changed: 2, same: 0, waiting: 0 }, ['a', 'b', 'd']]);
});

test('more than one request changes are changed by several, until they are stopped', async () => {
  const targets = Array.from({ length: 2500 }, (_, i) => ({ id: `d${i}`, version: 1 }));
  const answer = { body: { changed: 1000, in_force: true, items: [] } };
  const { asked, history } = server(answer, { status: 503, body: { detail: 'no database' } }, { body: { changed: 500, in_force: true, items: [] } }, answer);
  const changes = new ManyChanges(history, () => {}, new AbortController().signal);
  changes.begin(targets);
  changes.type({ setArea: true, area: 'hall' });
  const signal = new AbortController();
  changes.subscribe(() => asked.length === 2 && changes.stop(), { signal: signal.signal });
  await changes.apply();
  signal.abort();
  // The second request was on its way.
  const sizes = () => asked.map(({ request }) => JSON.parse(String(request.body)).devices.length);
  assert.deepEqual(sizes(), [1000, 1000]);
  assert.deepEqual([changes.failed.length, changes.left], [1000, 500]);
  await changes.again();
  assert.deepEqual(sizes(), [1000, 1000, 1000, 500]);
});

test('a server that names a device that was not sent, or that is silent, does not make for an endless change', async () => {
  const strange = { status: 422, body: { errors: [{ message: 'x', location: 'body', value: 'z' }] } };
  const { asked, history } = server(strange);
  const changes = new ManyChanges(history, () => {}, new AbortController().signal);
  changes.begin([{ id: 'a', version: 1 }]);
  changes.type({ retired: 'yes' });
  await changes.apply();
  assert.deepEqual([asked.length, changes.failed.length], [1, 1]);
  const silent = new ManyChanges(new History('', async () => Promise.reject(new TypeError('lost'))), () => {}, new AbortController().signal);
  silent.begin([{ id: 'a', version: 1 }]);
  silent.type({ retired: 'yes' });
  await silent.apply();
  assert.deepEqual(silent.failed.map(({ id, version }) => [id, version]), [['a', undefined]], 'the change itself may have made the next version');
});

test('a change whose answer was lost is no change by somebody else', async () => {
  let lost = true;
  const answers = [{ status: 412, body: {} }, { status: 200, body: { registered: { version: 2, name: 'Mine' } } }];
  const history = new History('', async () => {
    if (lost) throw new TypeError('lost');
    const { status, body } = answers.shift() ?? { status: 500, body: {} };
    return new Response(JSON.stringify(body), { status });
  });
  const changes = new EntryChanges(history, () => {}, new AbortController().signal);
  const idle = async () => {
    while (changes.pending('a', 'name') !== undefined) await new Promise(setImmediate);
  };
  changes.make({ id: 'a', field: 'name', value: 'Mine' }, 1);
  assert.equal(changes.loss, 'saving');
  await idle();
  assert.ok(changes.failure && !changes.failure.conflict);
  assert.equal(changes.loss, 'typed');
  lost = false;
  changes.make(changes.failure.change, changes.failure.version);
  await idle();
  assert.equal(changes.failure, null);

  lost = true;
  const form = new EntryForm(history, 'a', new AbortController().signal);
  form.take({ version: 1 });
  form.type({ name: 'Mine' });
  await form.save();
  assert.equal(form.outcome?.kind, 'failed');
  form.take({ version: 2, name: 'Mine' });
  assert.deepEqual([form.outcome?.kind, form.loss], ['saved', '']);
});

test('what is typed while a form is being saved stays', async () => {
  const { history } = server({ body: { version: 2, name: 'First', in_force: true } });
  const form = new EntryForm(history, 'a', new AbortController().signal);
  form.take({ version: 1 });
  form.type({ name: 'First' });
  const saved = form.save();
  form.type({ name: 'Second', area: 'hall' });
  await saved;
  assert.deepEqual([form.draft.name, form.draft.area, form.base.name, form.loss], ['Second', 'hall', 'First', 'typed']);
});

test('a page with several losses has the worst', () => {
  const unsaved = new Unsaved();
  const part = new AbortController();
  const { signal } = new AbortController();
  /** @type {import('../static/js/model/unsaved.js').Loss} */
  let loss = '';
  unsaved.watch(() => loss, signal);
  unsaved.watch(() => 'saving', part.signal);
  assert.equal(unsaved.loss, 'saving');
  loss = 'typed';
  assert.equal(unsaved.loss, 'typed');
  loss = '';
  part.abort();
  assert.equal(unsaved.loss, '');
});

test('why a change was not made is said in words', () => {
  const locale = new Locale('en');
  assert.match(decisionWords(new TypeError('fetch'), locale), /it is not known whether this was changed/);
  assert.match(decisionWords(new HistoryError(503, 'down'), locale), /the database does not answer/);
  assert.match(decisionWords(new HistoryError(503, 'busy', { busy: true }), locale), /busy with other changes/);
  assert.match(decisionWords(new HistoryError(412, 'other'), locale), /somebody else/);
  assert.equal(decisionWords(new HistoryError(422, 'validation failed', { mistakes: [{ message: 'too\u202e long', location: 'body.name' }] }), locale), 'Not changed: name: too[U+202E] long');
  assert.equal(decisionWords(new HistoryError(429, 'too many'), new Locale('zh')), '未更改：too many');
  assert.equal(labelWords({ line: '3', new: '', bad: '\u202e' }, locale), 'line=3, new, bad=[U+202E]');
  assert.equal(limitWords({ high: 1e300, low: -1.5 }, locale), 'high\u00a01e300, low\u00a0-1.5');
  assert.equal(partNames(['name', 'limits'], locale), 'name, own limits');
});

test('tables, areas and past alerts are asked for', async () => {
  const { asked, history } = server({}, {}, {}, { body: { items: [], next: 'x' } });
  const table = new Blob(['device_id\n']);
  await history.importEntries(table, { dryRun: true });
  await history.importEntries(table, { dryRun: false });
  await history.areas();
  assert.equal((await history.pastAlerts('a&b', { cursor: 'c', limit: 50 })).next, 'x');
  assert.deepEqual(asked.map(({ path }) => path), [
    'api/v1/registry?dry_run=true', 'api/v1/registry?dry_run=false', 'api/v1/areas?', 'api/v1/alerts?device=a%26b&state=cleared&limit=50&cursor=c',
  ]);
  assert.equal(asked[1]?.request.body, table);
});

test('ranges of days are worded as such', () => {
  const words = (/** @type {number} */ seconds, /** @type {'en' | 'zh'} */ language) => rangeSegment({ name: '', seconds }, new Locale(language));
  assert.deepEqual([words(0, 'en').text, words(900, 'en').text, words(86_400, 'en').text, words(7 * 86_400, 'en').text], ['Live', '15m', '24h', '7d']);
  assert.equal(words(7 * 86_400, 'zh').label, '最近 7 天');
  assert.equal(words(3600, 'en').label, 'The last 1 hour');
});

test('columns are a choice that lasts, also where the browser keeps nothing', () => {
  const preferences = new Preferences();
  assert.equal(preferences.deviceColumns, '');
  preferences.deviceColumns = 'id name';
  assert.equal(preferences.deviceColumns, 'id name');
});

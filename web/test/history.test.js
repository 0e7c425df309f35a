// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History, HistoryError } from '../static/js/model/history.js';

/**
 * A server that answers each request in turn.
 *
 * @param {...{status?: number, body: unknown}} answers
 */
function server(...answers) {
  /** @type {URL[]} */
  const asked = [];
  const fetcher = async (/** @type {any} */ address) => {
    asked.push(new URL(String(address), 'http://plant'));
    const { status = 200, body } = answers[asked.length - 1] ?? { status: 500, body: {} };
    return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
  };
  return { asked, history: new History('', /** @type {typeof fetch} */ (fetcher)) };
}

const data = { count: 2, avg_value: 20, max_value: 21, min_value: 19, device_count: 2, online_devices: 2, offline_devices: 0, alert_count: 0 };

test('windows are asked for page by page', async () => {
  const { asked, history } = server(
    { body: { items: [{ timestamp: '2026-03-01T12:00:00Z', aggregated_data: data }], next: 'more' } },
    { body: { items: [{ timestamp: '2026-03-01T12:05:00Z', aggregated_data: data }] } },
  );
  const points = await history.windows({ type: 'temperature_sensor', from: Date.UTC(2026, 2, 1, 12), step: 300 });
  assert.deepEqual(points.map(({ start, average, devices, final }) => [start, average, devices, final]), [
    [Date.UTC(2026, 2, 1, 12), 20, 2, true],
    [Date.UTC(2026, 2, 1, 12, 5), 20, 2, true],
  ]);
  assert.deepEqual(asked.map((url) => Object.fromEntries(url.searchParams)), [
    { type: 'temperature_sensor', from: '2026-03-01T12:00:00.000Z', step: '300s', alerts: 'false' },
    { type: 'temperature_sensor', from: '2026-03-01T12:00:00.000Z', step: '300s', alerts: 'false', cursor: 'more' },
  ]);
});

test('an id is part of the path whatever it contains', async () => {
  const { asked, history } = server({ body: { items: [] } }, { body: {} });
  await history.readings({ id: 'a/b?c', from: 0, points: 10 });
  await history.device('<img src=x>');
  assert.deepEqual(asked.map((url) => url.pathname), ['/api/v1/devices/a%2Fb%3Fc/readings', '/api/v1/devices/%3Cimg%20src%3Dx%3E']);
});

test('a refusal has its reason', async () => {
  const { history } = server({ status: 404, body: { title: 'Not Found', detail: 'no device "x"' } });
  await assert.rejects(history.device('x'), (error) => error instanceof HistoryError && error.status === 404 && error.message === 'no device "x"');
});

test('a refusal that is no problem document is one all the same', async () => {
  const { history } = server({ status: 502, body: '<html>' });
  await assert.rejects(history.alerts(10), (error) => error instanceof HistoryError && error.status === 502);
});

test('alerts come oldest first, as live ones do', async () => {
  const { history } = server({ body: { items: [{ id: 'new' }, { id: 'old' }] } });
  assert.deepEqual((await history.alerts(10)).map(({ id }) => id), ['old', 'new']);
});

test('the alerts that nobody has acknowledged are asked for page by page, no more than are wanted', async () => {
  const { asked, history } = server({ body: { items: [{ id: '5' }, { id: '4' }], next: 'a' } }, { body: { items: [{ id: '3' }, { id: '2' }], next: 'b' } });
  assert.deepEqual((await history.returnedAlerts(3)).map(({ id }) => id), ['3', '4', '5']);
  assert.deepEqual(asked.map(({ searchParams }) => searchParams.get('cursor')), [null, 'a']);
});

test('a listing that fails half way is no listing', async () => {
  const { history } = server({ body: { items: [{ id: '5' }], next: 'a' } }, { status: 503, body: { detail: 'away', busy: true } });
  await assert.rejects(history.returnedAlerts(100), (error) => error instanceof HistoryError && error.busy && error.message === 'away');
});

test('a refusal says what is wrong, which version there is and how much was done', async () => {
  const mistake = { message: 'not a number', location: 'body.limit', value: 'x' };
  const refusing = async () => new Response(JSON.stringify({ title: 'Conflict', errors: [mistake], made: 7 }), { status: 412, headers: { ETag: '"4"' } });
  const history = new History('', /** @type {typeof fetch} */ (/** @type {unknown} */ (refusing)));
  const { status, message, mistakes, version, made, busy } = await history.importEntries(new Blob(['a,b']), { dryRun: false }).then(() => assert.fail(), (error) => error);
  assert.deepEqual({ status, message, mistakes, version, made, busy }, { status: 412, message: 'Conflict', mistakes: [mistake], version: 4, made: 7, busy: false });
});

test('every request has its address, its conditions and what it sends', async () => {
  /** @type {string[]} */
  const asked = [];
  /** @type {number[]} */
  const statuses = [];
  const fetcher = async (/** @type {any} */ address, /** @type {RequestInit} */ { method = 'GET', headers, body }) => {
    const given = new Headers(headers);
    const named = ['Content-Type', 'If-Match', 'If-None-Match', 'Idempotency-Key'].map((name) => given.get(name));
    asked.push([method, String(address).replace(/\?$/, ''), ...named, typeof body === 'string' ? body : ''].filter(Boolean).join(' '));
    const status = statuses.shift() ?? 200;
    return new Response(status === 204 ? null : '{"items": [{"version": 3}]}', { status });
  };
  const history = new History('/iotmon/', /** @type {typeof fetch} */ (fetcher));
  const since = Date.UTC(2026, 2, 1);
  await history.alert('a/1');
  await history.alertEvents('a/1');
  statuses.push(202, 200);
  const handling = { key: 'k-1', body: { comment: 'seen' } };
  assert.deepEqual([(await history.handleAlerts(['a/1'], 'acknowledge', handling)).waiting, (await history.handleAlerts(['a/1'], 'acknowledge', handling)).waiting], [true, false]);
  await history.alertPage({ area: 'Hall 3', rule: '' }, { cursor: '', limit: 200 });
  await history.pastAlerts('a b', { cursor: 'c', limit: 5 });
  await history.readings({ id: 'a b', from: since, to: since + 1000, points: 10 });
  await history.areas();
  await history.changeEntry('a b', { patch: {}, version: 0 });
  assert.deepEqual(await history.lastDecision('a b'), { version: 3 });
  statuses.push(204, 202);
  assert.deepEqual([await history.forget('a b'), await history.forget('a b')], [true, false]);
  await history.kpis({ days: 30, operators: 2 });
  await history.system();
  await history.sources();
  await history.source('plc/1');
  await history.seen('plc/1');
  await history.tryRules('plc/1', []);
  await history.sourceMap('plc/1');
  await history.changeMap('plc/1', { restore: 2 }, 4);
  await history.deleteMap('plc/1', 4);
  await history.mapVersions('plc/1');
  await history.deadLetters('');
  await history.deadLetters('c');
  await history.deadLetter('0-1/2');
  await history.resend(['0-1']);
  const json = 'application/json';
  assert.deepEqual(asked.map((request) => request.replace('/iotmon/api/v1/', '')), [
    'GET alerts/a%2F1',
    'GET alerts/a%2F1/events',
    ...Array(2).fill(`POST alerts/actions ${json} k-1 {"action":"acknowledge","ids":["a/1"],"comment":"seen"}`),
    'GET alerts?area=Hall+3&limit=200',
    'GET alerts?device=a+b&state=cleared&limit=5&cursor=c',
    'GET devices/a%20b/readings?from=2026-03-01T00%3A00%3A00.000Z&to=2026-03-01T00%3A00%3A01.000Z&max_points=10',
    'GET areas',
    'PATCH devices/a%20b application/merge-patch+json * {}',
    'GET audit?device=a+b&limit=1',
    'DELETE devices/a%20b',
    'DELETE devices/a%20b',
    'GET alerts/kpis?from=-30d&operators=2',
    'GET system',
    'GET sources',
    'GET sources/plc%2F1',
    'GET sources/plc%2F1/seen',
    `POST sources/plc%2F1/try ${json} {"rules":[]}`,
    'GET sources/plc%2F1/map',
    `PUT sources/plc%2F1/map ${json} "4" {"restore":2}`,
    'DELETE sources/plc%2F1/map "4"',
    'GET sources/plc%2F1/map/versions',
    'GET dead-letters',
    'GET dead-letters?cursor=c',
    'GET dead-letters/0-1%2F2',
    `POST dead-letters/resend ${json} {"ids":["0-1"]}`,
  ]);
});

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

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decisions } from '../static/js/model/decisions.js';
import { History } from '../static/js/model/history.js';

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

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownFiles } from './modules.js';

/** These start the page as they are loaded. */
const entries = ['js/first-paint.js', 'js/main.js'];

// Coverage counts what is loaded: here that is every module, also those that no other test looks at.
test('every module can be loaded where there is no page', async () => {
  for (const path of ownFiles('.js').filter((name) => !entries.includes(name))) {
    assert.ok(Object.keys(await import(`../static/${path}`)).length >= 0, path);
  }
});

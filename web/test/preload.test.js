// @ts-check
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { routes } from '../static/js/app/routes.js';
import { closure, ownFiles } from './modules.js';

const shell = readFileSync(new URL('../templates/index.html', import.meta.url), 'utf8');

/** @param {RegExp} pattern Its first group is an address below {{.Assets}}. */
const named = (pattern) => [...shell.matchAll(pattern)].map(([, path]) => String(path)).sort();

test('the files of the first page are requested at once, and no others', () => {
  const first = `js/pages/${routes[0].path}/${routes[0].path}.js`;
  const { modules, templates, later } = closure(['js/main.js', first]);
  // The script that starts it all is asked for anyway.
  const wanted = [...modules.filter((path) => path !== 'js/main.js'), ...later.filter((path) => path.startsWith('vendor/'))].sort();
  assert.deepEqual(named(/<link rel="modulepreload" href="\{\{\.Assets\}\}\/([^"]+)">/g), wanted);
  assert.deepEqual(named(/<link rel="preload" as="fetch" crossorigin href="\{\{\.Assets\}\}\/([^"]+)">/g), templates);
});

test('every page has a folder and a route, and every module is used', () => {
  const folders = readdirSync(new URL('../static/js/pages/', import.meta.url));
  assert.deepEqual(routes.map(({ path }) => path).sort(), folders.sort());
  const pages = folders.map((name) => `js/pages/${name}/${name}.js`);
  assert.deepEqual(closure(['js/first-paint.js', 'js/main.js', ...pages]).modules.filter((path) => path.startsWith('js/')), ownFiles('.js'));
});

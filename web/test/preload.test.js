// @ts-check
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { routes } from '../static/js/app/routes.js';
import { closure, ownFiles } from './modules.js';

const shell = readFileSync(new URL('../templates/index.html', import.meta.url), 'utf8');

/**
 * Returns the files that the shell asks for at once.
 *
 * @param {string} rel
 * @param {string} page The page that it does so for; empty for every page.
 */
function named(rel, page) {
  const link = new RegExp(`<link ${page && `data-page="${page}" `}rel="${rel}"[^>]* href="\\{\\{\\.Assets\\}\\}/([^"]+)">`, 'g');
  return [...shell.matchAll(link)].map(([, path]) => String(path)).sort();
}

test('the files of the shell are requested at once, and for the first page also its own, and no others', () => {
  const page = String(routes[0].path);
  const main = closure(['js/main.js']);
  const first = closure(['js/main.js', `js/pages/${page}/${page}.js`]);
  const all = [...first.modules, ...first.later.filter((path) => path.startsWith('vendor/'))];
  // The script that starts it all is asked for anyway.
  assert.deepEqual(named('modulepreload', ''), main.modules.filter((path) => path !== 'js/main.js'));
  assert.deepEqual(named('modulepreload', page), all.filter((path) => !main.modules.includes(path)).sort());
  assert.deepEqual(named('preload', page), first.templates);
  assert.equal(shell.match(/<link [^>]*preload/g)?.length, all.length - 1 + first.templates.length);
});

test('every page has a folder and a route, and every module is used', () => {
  const below = readdirSync(new URL('../static/js/pages/', import.meta.url), { recursive: true, withFileTypes: true });
  const folders = below.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name).replace(/^.*\/js\/pages\//, ''));
  assert.deepEqual(routes.map(({ path }) => path).sort(), folders.sort());
  const pages = folders.map((name) => `js/pages/${name}/${basename(name)}.js`);
  assert.deepEqual(closure(['js/first-paint.js', 'js/main.js', ...pages]).modules.filter((path) => path.startsWith('js/')), ownFiles('.js'));
});

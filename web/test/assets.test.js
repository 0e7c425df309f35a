// @ts-check
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @param {string} folder */
function ownFiles(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('vendor'))
    .map((entry) => join(entry.parentPath, entry.name));
}

const files = [...ownFiles('static'), ...ownFiles('templates')].map((path) => ({ path, text: readFileSync(path, 'utf8') }));

test('nothing is asked of another host', () => {
  // The name of the SVG namespace is never fetched.
  const foreign = /(?:https?:)?\/\/(?!www\.w3\.org\/2000\/svg)[a-z0-9-]+\.[a-z]/i;
  for (const { path, text } of files) assert.doesNotMatch(text, foreign, path);
});

test('no text is ever parsed as HTML', () => {
  for (const { path, text } of files) assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/, path);
});

test('the vendored libraries are those whose types are checked', () => {
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies;
  for (const [name, file] of [['echarts', 'echarts.esm.min.js'], ['lit-html', 'lit-html.js']]) {
    const vendored = readFileSync(join(root, 'static/vendor', String(name), String(file)), 'utf8');
    assert.ok(vendored.includes(`"${wanted[String(name)]}"`), `vendored ${name} is not ${wanted[String(name)]}`);
  }
});

test('nothing vendored names a source map, which is not there: browsers would ask for it, and node report no coverage', () => {
  for (const entry of readdirSync(join(root, 'static/vendor'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
    const path = join(entry.parentPath, entry.name);
    assert.doesNotMatch(readFileSync(path, 'utf8'), /sourceMappingURL/, path);
  }
});

test('every icon, template and file that is named is there', () => {
  const shell = files.find(({ path }) => path.endsWith('index.html'))?.text ?? '';
  for (const { path, text } of files) {
    for (const [, name] of text.matchAll(/#icon-([a-z]+)/g)) assert.ok(shell.includes(`id="icon-${name}"`), `${path}: icon ${name}`);
    for (const [, where, id] of text.matchAll(/instantiate\(([\w.#]+), '([a-z-]+)'/g)) {
      // What is not in the shell is beside the module.
      const beside = files.filter((file) => file.path.endsWith('.html') && dirname(file.path) === dirname(path));
      const places = where === 'document' ? [shell] : beside.map((file) => file.text);
      assert.ok(places.some((place) => place.includes(`<template id="${id}"`)), `${path}: template ${id}`);
    }
  }
  const addresses = [...shell.matchAll(/\{\{\.Assets\}\}\/([^"]+)"/g)].map(([, address]) => String(address));
  assert.ok(addresses.length > 10);
  for (const address of addresses) assert.ok(readFileSync(join(root, 'static', address)).length > 0);
});

test('only the shell looks for something in the whole document', () => {
  const anywhere = /\bdocument\.(?:querySelector|getElement)|find\(document\b/;
  for (const { path, text } of files) {
    if (path.endsWith('.js') && !path.includes('/app/')) assert.doesNotMatch(text, anywhere, path);
  }
});

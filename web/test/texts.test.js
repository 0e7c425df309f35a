// @ts-check
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { ownFiles, read } from './modules.js';

/** @typedef {import('../static/js/locale/locale.js').Text} Text */

const shared = 'js/locale/terms.js';
/** Every namespace of texts, by its file. @type {Map<string, Record<string, Text>>} */
const namespaces = new Map();
for (const path of ownFiles('texts.js').concat(shared)) {
  const { texts, terms } = await import(`../static/${path}`);
  namespaces.set(path, texts ?? terms);
}

const shell = { path: 'js/app/index.html', text: readFileSync(new URL('../templates/index.html', import.meta.url), 'utf8') };
const files = ownFiles('.js').concat(ownFiles('.html')).filter((path) => !namespaces.has(path)).map((path) => ({ path, text: read(path) })).concat(shell);

/** @param {Text[keyof Text]} words */
const forms = (words) => (typeof words === 'string' ? [words] : Object.values(words));

test('both languages say everything, with the same values, in every form', () => {
  for (const [path, texts] of namespaces) {
    for (const [key, text] of Object.entries(texts)) {
      assert.deepEqual(Object.keys(text).sort(), ['en', 'zh'], `${path}: ${key}`);
      const gaps = Object.values(text).flatMap(forms).map((words) => String([...words.matchAll(/\{\w+\}/g)].map(String).sort()));
      assert.equal(new Set(gaps).size, 1, `${path}: ${key} has the values ${gaps.join(' and ')}`);
      const plural = Object.values(text).some((words) => typeof words !== 'string');
      if (plural) assert.match(String(gaps[0]), /\{count\}/, `${path}: the plural of ${key} is that of a count`);
    }
  }
});

test('no key is in two namespaces that a template can name', () => {
  /** @type {Map<string, string>} */
  const seen = new Map();
  for (const [path, texts] of namespaces) {
    for (const key of Object.keys(texts)) {
      assert.equal(seen.get(key), undefined, `${path}: ${key}`);
      seen.set(key, path);
    }
  }
});

test('no text is there twice', () => {
  // A message names an alert's state.
  const states = ['raised', 'updated'];
  /** @type {Map<string, string>} */
  const seen = new Map();
  for (const [path, texts] of namespaces) {
    for (const [key, text] of Object.entries(texts)) {
      const words = JSON.stringify(text);
      if (path !== shared || !states.includes(key)) assert.equal(seen.get(words), undefined, `${path}: ${key}`);
      seen.set(words, `${path}: ${key}`);
    }
  }
});

/** Which keys a file names, of which namespace. @param {{path: string, text: string}} file */
function named({ path, text }) {
  const own = `${dirname(path)}/texts.js`;
  const places = path.endsWith('.html') ? [own, 'js/components/texts.js', shared] : [];
  const found = [...text.matchAll(/data-i18n[a-z-]*="(\w+)"/g)].map(([, key]) => ({ key: String(key), places }));
  for (const [, name, key] of text.matchAll(/\b(texts|terms)\.(?!js\b)(\w+)/g)) found.push({ key: String(key), places: [name === 'terms' ? shared : own] });
  return found;
}

test('every text that is named is there', () => {
  for (const file of files) {
    for (const { key, places } of named(file)) {
      assert.ok(places.some((place) => namespaces.get(place)?.[key]), `${file.path}: ${key}`);
    }
  }
});

test('every text is used', () => {
  const used = new Set(files.flatMap(named).flatMap(({ key, places }) => places.filter((place) => namespaces.get(place)?.[key]).map((place) => `${place} ${key}`)));
  // Those whose names come with messages, and with units of time.
  const messages = 'online offline critical warning info raised updated acknowledged cleared good uncertain bad'.split(' ');
  const units = ['seconds', 'minutes', 'hours', 'days'].flatMap((unit) => [`${unit}Ago`, `${unit}Long`]);
  for (const key of [...messages, ...units]) used.add(`${shared} ${key}`);
  for (const [path, texts] of namespaces) {
    for (const key of Object.keys(texts)) assert.ok(used.has(`${path} ${key}`), `${path}: ${key}`);
  }
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Appearance } from '../static/js/app/appearance.js';
import { Preferences } from '../static/js/app/preferences.js';

/**
 * Has a storage until the test is over.
 *
 * @param {import('node:test').TestContext} t
 * @param {{full?: boolean, forbidden?: boolean, kept?: Record<string, string>, languages?: string[]}} [how]
 */
function storage(t, { full = false, forbidden = false, kept = {}, languages = ['fr-FR', 'zh-TW'] } = {}) {
  const values = new Map(Object.entries(kept));
  const how = { full, forbidden };
  const refuse = (/** @type {boolean} */ refused) => {
    if (refused) throw new DOMException('no', how.forbidden ? 'SecurityError' : 'QuotaExceededError');
  };
  const localStorage = {
    getItem(/** @type {string} */ key) {
      refuse(how.forbidden);
      return values.get(key) ?? null;
    },
    setItem(/** @type {string} */ key, /** @type {string} */ value) {
      refuse(how.full || how.forbidden);
      values.set(key, value);
    },
  };
  for (const [name, value] of Object.entries({ localStorage, navigator: { languages } })) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
    t.after(() => Reflect.deleteProperty(globalThis, name));
  }
  return { how, values };
}

test('until the reader has chosen, the browser\'s languages count, and the usual', (t) => {
  storage(t);
  const preferences = new Preferences();
  const { language, theme, deviceType, range, deviceColumns, alertSound, alertNotify } = preferences;
  assert.deepEqual({ language, theme, deviceType, range, deviceColumns, alertSound, alertNotify }, {
    language: 'zh', theme: 'auto', deviceType: '', range: 'live', deviceColumns: '', alertSound: false, alertNotify: false,
  });
});

/** @param {Preferences} preferences */
function choose(preferences) {
  Object.assign(preferences, { language: 'en', theme: 'dark', deviceType: 'oven', range: '7d', deviceColumns: 'id,area', alertSound: true, alertNotify: true });
}

/** @param {Preferences} preferences */
function chosen({ language, theme, deviceType, range, deviceColumns, alertSound, alertNotify }) {
  return [language, theme, deviceType, range, deviceColumns, alertSound, alertNotify].join(' ');
}

test('what is chosen lasts beyond the page, and can be taken back', (t) => {
  const { values } = storage(t);
  choose(new Preferences());
  assert.equal(chosen(new Preferences()), 'en dark oven 7d id,area true true');
  assert.ok([...values.keys()].every((key) => key.startsWith('iotmon.')), 'the storage may be shared with other programs of the host');
  const later = new Preferences();
  Object.assign(later, { alertSound: false, alertNotify: false, theme: 'auto' });
  assert.equal(chosen(new Preferences()), 'en auto oven 7d id,area false false');
});

test('what a newer page, or somebody by hand, has stored is no choice of this one', (t) => {
  storage(t, { kept: { 'iotmon.language': 'de', 'iotmon.theme': 'sepia', 'iotmon.alert-sound': 'loud' } });
  const { language, theme, alertSound } = new Preferences();
  assert.deepEqual([language, theme, alertSound], ['zh', 'auto', false]);
});

test('where the browser stores nothing a choice lasts as long as the page', (t) => {
  storage(t, { forbidden: true });
  const preferences = new Preferences();
  choose(preferences);
  assert.equal(chosen(preferences), 'en dark oven 7d id,area true true');
  assert.equal(new Preferences().theme, 'auto');
});

test('where the storage is full a choice counts more than what is stored, and is stored when there is room again', (t) => {
  const { how, values } = storage(t, { full: true, kept: { 'iotmon.theme': 'light', 'iotmon.language': 'zh' } });
  const preferences = new Preferences();
  preferences.theme = 'dark';
  assert.equal(preferences.theme, 'dark');
  assert.equal(preferences.language, 'zh');
  how.full = false;
  preferences.theme = 'auto';
  assert.deepEqual([preferences.theme, values.get('iotmon.theme')], ['auto', 'auto']);
  values.set('iotmon.theme', 'light');
  assert.equal(preferences.theme, 'light', 'as another tab has chosen');
});

test('another language is another locale, and everything is drawn anew', (t) => {
  storage(t);
  const preferences = new Preferences();
  const appearance = new Appearance(preferences);
  let drawn = 0;
  appearance.subscribe(() => drawn++, { signal: new AbortController().signal });
  const { locale } = appearance;
  assert.equal(locale.tag, 'zh-CN');
  appearance.language = 'en';
  assert.deepEqual([appearance.language, appearance.locale.tag, drawn], ['en', 'en-GB', 1]);
  assert.notEqual(appearance.locale, locale);
  appearance.theme = 'dark';
  appearance.theme = 'no theme';
  assert.deepEqual([appearance.theme, drawn], ['auto', 3]);
  appearance.systemChanged();
  assert.equal(drawn, 4, 'the system has become dark');
  appearance.language = 'klingon';
  assert.equal(preferences.language, 'en');
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasons, reasonWords } from '../static/js/locale/reasons.js';

const [en, zh] = [{ language: 'en' }, { language: 'zh' }];

test('a reason with a code is said in Chinese, and by the server in English', () => {
  const reason = { reason: 'the topic "a/b" has no level 3', reason_code: 'no_topic_level', reason_arguments: { topic: '"a/b"', level: '3' } };
  assert.equal(reasonWords(reason, en), 'the topic "a/b" has no level 3');
  assert.equal(reasonWords(reason, zh), '主题 "a/b" 没有第 3 级');
  const of = { reason: 'missing, in the value "t"', reason_code: 'missing', reason_arguments: { in: '"t"' } };
  assert.equal(reasonWords(of, zh), '缺失，位于值 "t"');
  assert.equal(reasonWords({ reason: 'empty', reason_code: 'empty' }, zh), '消息为空');
});

test('without a code that is known, or without its arguments, the words of the server stay', () => {
  for (const more of [{}, { reason_code: 'of_a_later_version' }, { reason_code: 'constructor' }, { reason_code: 'no_topic_level' }, { reason_code: 'no_topic_level', reason_arguments: { topic: '"a"' } }]) {
    assert.equal(reasonWords({ reason: 'the topic "a" has no level 3', ...more }, zh), 'the topic "a" has no level 3');
  }
  assert.equal(reasonWords({}, zh), '');
});

test('what a device has sent stays text: it is neither a gap, nor does it hide', () => {
  const got = '"{level}\u202e"';
  const words = reasonWords({ reason: 'x', reason_code: 'not_number', reason_arguments: { type: '{got}', got } }, zh);
  assert.ok(words.startsWith('{got} 必须是数字（收到 "{level}'), words);
  assert.ok(!words.includes('\u202e'));
  assert.equal(reasonWords({ reason: 'x', reason_code: 'no_tag', reason_arguments: { name: '"site"', tags: 'none' } }, zh), '没有标签 "site"（标签：无）');
});

test('every code has words', () => {
  assert.ok(reasons.size > 60);
  for (const [code, words] of reasons) assert.match(words, /\p{Script=Han}/u, code);
});

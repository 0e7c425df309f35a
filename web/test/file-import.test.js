// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileImport } from '../static/js/model/file-import.js';

/** @typedef {{dry_run: boolean, of: string}} Result */

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A file of so many bytes. @param {string} name @param {number} [bytes] */
const file = (name, bytes = 1) => new File(['x'.repeat(bytes)], name);

/** An import whose requests are answered by the test. */
function importing() {
  /** @type {{file: File, dryRun: boolean, signal: AbortSignal, answer: (result: Result) => void, fail: (error: unknown) => void}[]} */
  const asked = [];
  let imported = 0;
  const stopping = new AbortController();
  /** @type {FileImport<Result>} */
  const it = new FileImport((chosen, { dryRun }, signal) => new Promise((answer, fail) => {
    asked.push({ file: chosen, dryRun, signal, answer, fail });
  }), { mostBytes: 10, onImported: () => imported++ }, stopping.signal);
  return { it, asked, stopping, imported: () => imported };
}

test('a file is looked at first, and imported when the reader agrees', async () => {
  const { it, asked, imported } = importing();
  assert.equal(it.loss, '');
  it.choose(file('a'));
  assert.deepEqual([it.busy, it.loss, asked.map(({ dryRun }) => dryRun)], [true, 'typed', [true]]);
  asked[0]?.answer({ dry_run: true, of: 'a' });
  await turn();
  assert.deepEqual([it.busy, it.applied, it.result?.of, imported()], [false, false, 'a', 0]);
  void it.apply();
  void it.apply(); // Pressed twice.
  assert.deepEqual([it.loss, asked.length], ['saving', 2]);
  asked[1]?.answer({ dry_run: false, of: 'a' });
  await turn();
  assert.deepEqual([it.applied, it.loss, imported(), asked[1]?.dryRun], [true, '', 1, false]);
});

test('the answer about a file that is not chosen any more counts for nothing', async () => {
  const { it, asked } = importing();
  it.choose(file('a'));
  it.choose(file('b'));
  assert.equal(asked[0]?.signal.aborted, true);
  asked[0]?.answer({ dry_run: true, of: 'a' });
  await turn();
  assert.deepEqual([it.result, it.busy], [null, true]);
  asked[1]?.answer({ dry_run: true, of: 'b' });
  await turn();
  it.again(); // In another way.
  assert.deepEqual([it.result, asked[2]?.file.name], [null, 'b']);
  it.choose(null);
  asked[2]?.fail(new Error('late'));
  await turn();
  assert.deepEqual([it.error, it.busy, it.loss], [null, false, '']);
});

test('what failed shows nothing that it would change, and may be tried again', async () => {
  const { it, asked, imported } = importing();
  it.choose(file('a'));
  asked[0]?.answer({ dry_run: true, of: 'a' });
  await turn();
  void it.apply();
  const refused = new Error('refused');
  asked[1]?.fail(refused);
  await turn();
  assert.deepEqual([it.error, it.result, it.busy, it.loss, imported()], [refused, null, false, '', 0]);
  it.again();
  assert.deepEqual([it.error, it.busy], [null, true]);
});

test('a file that the server would refuse for its size is not sent', () => {
  const { it, asked } = importing();
  it.choose(file('large', 11));
  assert.deepEqual([it.tooLarge, it.busy, it.loss, asked.length], [true, false, '', 0]);
  it.choose(file('small', 10));
  assert.deepEqual([it.tooLarge, asked.length], [false, 1]);
});

test('a dialog that is closed receives nothing, and what was changed meanwhile is known elsewhere', async () => {
  const { it, asked, imported } = importing();
  it.choose(file('a'));
  asked[0]?.answer({ dry_run: true, of: 'a' });
  await turn();
  void it.apply();
  it.cancel();
  asked[1]?.answer({ dry_run: false, of: 'a' });
  await turn();
  assert.deepEqual([it.busy, it.applied, imported()], [false, false, 1]);
});

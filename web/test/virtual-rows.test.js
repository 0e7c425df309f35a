// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualRows } from '../static/js/components/virtual-rows.js';
import { element, page } from './elements.js';

/** The height of a row and of the frame, in pixels. */
const height = 20;
const seen = 200;

/**
 * A list of names in a frame that scrolls as browsers do: never beyond an end.
 *
 * @param {import('node:test').TestContext} t
 * @param {{count?: number, overscan?: number, tag?: string, together?: number}} [how]
 */
function list(t, { count = 1000, overscan = 3, tag = 'ul', together } = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  /** What runs before the next frame is drawn. @type {Map<number, () => void>} */
  const due = new Map();
  let asked = 0;
  const frames = {
    requestAnimationFrame: (/** @type {() => void} */ run) => due.set(++asked, run) && asked,
    cancelAnimationFrame: (/** @type {number} */ id) => due.delete(id),
  };
  Object.assign(globalThis, frames);
  const { document, measuring, stopping, window } = page(t);
  t.after(() => Object.keys(frames).forEach((name) => Reflect.deleteProperty(globalThis, name)));
  let names = Array.from({ length: count }, (_, i) => `item ${i}`);
  let top = 0;
  const body = element(tag);
  const frame = Object.defineProperties(element('div', body), {
    clientHeight: { value: seen },
    scrollTop: { get: () => top, set: (to) => (top = Math.max(0, Math.min(to, names.length * height - seen))) },
  });
  /** @type {number[]} */
  let written = [];
  const rows = new VirtualRows({
    frame: /** @type {any} */ (frame), list: /** @type {any} */ (body), overscan, together, printed: 50, signal: stopping.signal,
    make: () => {
      const row = element('li', element('a'), element('button'));
      row.height = height;
      return { element: /** @type {any} */ (row) };
    },
    write: (row, index) => {
      written.push(index);
      const link = row.element.querySelector('a');
      if (link) link.textContent = String(names[index]);
    },
    keyOf: (index) => names[index],
  });
  const measure = () => measuring.forEach((one) => one());
  /** Draws a frame; false if nothing waits for one. */
  const drawFrame = () => {
    const running = [...due.values()];
    due.clear();
    running.forEach((run) => run());
    return running.length > 0;
  };
  measure();
  rows.show(count);
  while (drawFrame());
  measure();
  while (drawFrame());
  written = [];
  return {
    body, document, frame, measuring, rows, stopping, window, drawFrame,
    /** What has been written since this was asked last. */
    written: () => written.splice(0),
    shown: () => body.children.slice(1, -1).map((row) => row.textContent),
    spaces: () => [body.children[0], body.children.at(-1)].map((spacer) => (spacer?.hidden ? 0 : Number.parseInt(String(spacer?.style['height'])) / height)),
    top: () => top,
    scroll: (/** @type {number} */ to) => {
      Reflect.set(frame, 'scrollTop', to);
      frame.dispatchEvent(new Event('scroll'));
    },
    /** @param {string[]} changed */
    relist: (changed) => {
      names = changed;
      rows.show(names.length);
    },
    names: () => names,
    press: (/** @type {string} */ key, more = {}) => {
      const event = Object.assign(new Event('keydown', { cancelable: true }), { key, ctrlKey: false, altKey: false, metaKey: false, shiftKey: false, ...more });
      frame.dispatchEvent(event);
      return event.defaultPrevented;
    },
    focused: () => document.activeElement?.textContent,
    stops: () => body.querySelectorAll('a').filter(({ tabIndex }) => tabIndex === 0).map(({ textContent }) => textContent),
  };
}

const items = (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: to - from }, (_, i) => `item ${from + i}`);

test('of a long list only the rows that can be seen exist, and the others have their room', (t) => {
  const { scroll, shown, spaces, rows } = list(t);
  assert.deepEqual(shown(), items(0, 13));
  assert.deepEqual(spaces(), [0, 987]);
  scroll(400 * height);
  assert.deepEqual(shown(), items(397, 413));
  assert.deepEqual(spaces(), [397, 587]);
  assert.deepEqual(rows.seen, [400, 409]);
  scroll(Infinity);
  assert.deepEqual(shown(), items(987, 1000));
  assert.deepEqual(spaces(), [987, 0]);
  for (let top = 0; top < 1000 * height; top += 70) {
    scroll(top);
    assert.ok(rows.rows.length <= 17, `${rows.rows.length} rows at ${top} px`);
  }
});

test('scrolling writes only what comes into sight, and moves what leaves it', (t) => {
  const { scroll, shown, written, body } = list(t);
  scroll(400 * height);
  t.mock.timers.tick(1000);
  written();
  const before = body.children.find(({ textContent }) => textContent === 'item 405');
  scroll(402 * height);
  assert.deepEqual(written(), [413, 414]);
  scroll(401 * height);
  assert.deepEqual(written(), [398]);
  assert.deepEqual(shown(), items(398, 414));
  assert.equal(body.children.find(({ textContent }) => textContent === 'item 405'), before, 'a row keeps its item');
  t.mock.timers.tick(1000);
  assert.equal(written().length, 16, 'and all are written once it has come to rest');
});

test('with many rows beyond the edges most of the scrolling writes nothing', (t) => {
  const { scroll, shown, written } = list(t, { overscan: 20 });
  scroll(400 * height);
  written();
  for (let row = 401; row <= 404; row++) scroll(row * height);
  assert.deepEqual(written(), []);
  scroll(405 * height);
  assert.deepEqual(written(), [430, 431, 432, 433, 434]);
  assert.deepEqual(shown(), items(385, 435));
});

test('a list that becomes short shows all of it, and one that is empty nothing', (t) => {
  const { relist, scroll, shown, spaces } = list(t);
  scroll(900 * height);
  relist(['a', 'b']);
  scroll(0); // As the browser does by itself.
  assert.deepEqual(shown(), ['a', 'b']);
  assert.deepEqual(spaces(), [0, 0]);
  relist([]);
  assert.deepEqual(shown(), []);
});

test('on paper are the first rows, and afterwards those that could be seen', (t) => {
  const { scroll, shown, window, relist } = list(t);
  scroll(400 * height);
  window.dispatchEvent(new Event('beforeprint'));
  assert.deepEqual(shown(), items(0, 50));
  window.dispatchEvent(new Event('afterprint'));
  assert.deepEqual(shown(), items(397, 413));
  relist(items(0, 20));
  window.dispatchEvent(new Event('beforeprint'));
  assert.deepEqual(shown(), items(0, 20), 'no more than there are');
});

test('the spacers of a table are rows of it', (t) => {
  assert.deepEqual(list(t, { tag: 'tbody' }).body.querySelectorAll('.spacer').map(({ tag }) => tag), ['tr', 'tr']);
});

test('a list whose page is left writes nothing any more', (t) => {
  const { scroll, stopping, written, measuring, window } = list(t);
  scroll(20 * height);
  written();
  stopping.abort();
  t.mock.timers.tick(1000);
  scroll(40 * height);
  window.dispatchEvent(new Event('beforeprint'));
  assert.deepEqual(written(), []);
  assert.equal(measuring.size, 0);
});

test('the arrow keys go from row to row, also to those that are not there yet', (t) => {
  const { focused, press } = list(t);
  assert.ok(press('ArrowDown'));
  assert.equal(focused(), 'item 0');
  press('ArrowDown');
  press('ArrowDown');
  press('ArrowUp');
  assert.equal(focused(), 'item 1');
  press('PageDown');
  assert.equal(focused(), 'item 10', 'as far as can be seen');
  press('End');
  assert.equal(focused(), 'item 999');
  press('ArrowDown');
  assert.equal(focused(), 'item 999', 'there is nothing behind the last');
  press('Home');
  assert.equal(focused(), 'item 0');
  press('PageUp');
  assert.equal(focused(), 'item 0');
  for (const key of ['ctrlKey', 'altKey', 'metaKey', 'shiftKey']) assert.equal(press('End', { [key]: true }), false, `${key} is the browser's`);
  assert.equal(press('a'), false);
  assert.equal(focused(), 'item 0');
});

test('the keys of an empty list are the browser\'s', (t) => {
  const { press } = list(t, { count: 0 });
  assert.equal(press('ArrowDown'), false);
});

test('the list is one stop of the Tab key: the row of the focus, or one that can be seen', (t) => {
  const { body, press, scroll, stops } = list(t);
  assert.deepEqual(stops(), ['item 0']);
  press('ArrowDown');
  press('ArrowDown');
  assert.deepEqual(stops(), ['item 1']);
  assert.equal(body.querySelectorAll('button').filter(({ tabIndex }) => tabIndex === 0).length, 1, 'with what else its row has');
  scroll(400 * height);
  t.mock.timers.tick(1000);
  assert.deepEqual(stops(), ['item 400']);
});

test('the focus stays with its item when others come before it, and in its place when its item is gone', (t) => {
  const { focused, press, relist, names } = list(t);
  for (let i = 0; i < 3; i++) press('ArrowDown');
  relist(['new', ...names()]);
  assert.equal(focused(), 'item 2');
  relist([...items(100, 150), ...names()]);
  assert.equal(focused(), 'item 2', 'also where its row did not exist');
  relist(names().filter((name) => name !== 'item 2'));
  assert.equal(focused(), 'item 3');
  relist(['newer', ...names()]);
  assert.equal(focused(), 'item 3', 'which has the focus from now on');
});

test('the keyboard stays in the list when the row of the focus is scrolled out of sight', (t) => {
  const { document, frame, press, scroll, focused } = list(t);
  press('ArrowDown');
  scroll(400 * height);
  assert.equal(document.activeElement, frame);
  press('ArrowDown');
  assert.equal(focused(), 'item 400', 'it goes on where the reader looks');
});

test('with few rows a frame all is shown after some frames, first what can be seen', (t) => {
  const { drawFrame, relist, scroll, shown, spaces, written, names } = list(t, { together: 4 });
  assert.deepEqual(shown(), items(0, 13));
  scroll(400 * height);
  assert.deepEqual(written(), [], 'nothing before the frame');
  drawFrame();
  assert.deepEqual(shown(), items(400, 404));
  assert.deepEqual(spaces(), [400, 596]);
  for (let i = 0; i < 2; i++) drawFrame();
  assert.deepEqual(shown(), items(400, 412));
  drawFrame();
  assert.deepEqual(shown(), items(397, 413));
  assert.equal(drawFrame(), true);
  assert.equal(drawFrame(), false, 'and no more frames are asked for');
  assert.deepEqual(written().sort(), Array.from({ length: 16 }, (_, i) => 397 + i), 'each is written once');
  relist(names().map((name) => `new ${name}`));
  assert.deepEqual(written(), [400, 401, 402, 403]);
  for (let frames = 0; drawFrame(); frames++) assert.ok(frames < 6 && written().length <= 4);
  assert.deepEqual(shown(), items(397, 413).map((name) => `new ${name}`));
});

test('with few rows a frame every row is written although the items change with each frame', (t) => {
  const { drawFrame, relist, names, shown, written } = list(t, { together: 4 });
  for (let change = 0; change < 30; change++) {
    relist(names().map((name) => `${name.split(',')[0]}, ${change}`));
    drawFrame();
    assert.ok(written().length <= 8, 'the first may be written at once, before the frame');
  }
  for (const name of shown()) assert.ok(Number(name.split(', ')[1]) >= 20, `${name} is old`);
  while (drawFrame());
  for (const name of shown()) assert.equal(name.split(', ')[1], '29');
});

test('with few rows a frame the keyboard and paper have theirs at once', (t) => {
  const { drawFrame, focused, press, relist, names, shown, window } = list(t, { together: 4 });
  press('End');
  assert.equal(focused(), 'item 999');
  relist(names().map((name) => `new ${name}`));
  press('ArrowUp');
  assert.equal(focused(), 'new item 998');
  window.dispatchEvent(new Event('beforeprint'));
  assert.deepEqual(shown(), items(0, 50).map((name) => `new ${name}`));
  window.dispatchEvent(new Event('afterprint'));
  while (drawFrame());
  assert.deepEqual(shown(), items(987, 1000).map((name) => `new ${name}`));
});

test('with few rows a frame any sequence of scrolling and changes ends with the rows that can be seen', (t) => {
  const { drawFrame, top, relist, scroll, shown, spaces, press } = list(t, { together: 3 });
  let seed = 1;
  const random = (/** @type {number} */ below) => (seed = (seed * 48271) % 2147483647) % below;
  let changed = items(0, 1000);
  for (let step = 0; step < 3000; step++) {
    const what = random(6);
    if (what === 0) scroll(random(changed.length * height + 1));
    if (what === 1) scroll(top() + random(400) - 200);
    if (what === 2) relist((changed = items(random(100), 100 + random(900)).map((name) => `${name} of ${step}`)));
    if (what === 3 && step % 7 === 0) press(['Home', 'End', 'PageDown', 'ArrowUp'][random(4)] ?? '');
    if (what > 3) drawFrame();
    if (step % 50) continue;
    scroll(top()); // As the browser does when a list has become shorter.
    while (drawFrame());
    const [above = 0] = spaces();
    assert.deepEqual(shown(), changed.slice(above, above + shown().length));
    assert.equal(above + shown().length + (spaces()[1] ?? 0), changed.length);
    const at = Math.floor(top() / height);
    assert.ok(above <= at && above + shown().length >= Math.min(changed.length, at + seen / height), `rows ${above} + ${shown().length} at ${at}`);
  }
});

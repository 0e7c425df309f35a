// @ts-check

/** What can be found: a tag, an id and classes, each of which may be left out. @param {string} selector */
function selection(selector) {
  const [, tag = '', id = '', classes = ''] = /^([a-z]*)(?:#([\w-]+))?((?:\.[\w-]+)*)$/.exec(selector.trim()) ?? [];
  return (/** @type {FakeElement} */ element) => (!tag || element.tag === tag) && (!id || element.id === id) && classes.split('.').every((name) => !name || element.classes.has(name));
}

/** An element of a page that is never drawn: what modules ask of one, and nothing else. */
export class FakeElement extends EventTarget {
  /** @type {FakeElement | null} */
  parent = null;
  /** @type {FakeElement[]} */
  children = [];
  /** @type {Map<string, string>} */
  attributes = new Map();
  /** @type {Set<string>} */
  classes = new Set();
  /** @type {Record<string, string>} */
  dataset = {};
  /** @type {Record<string, string>} */
  style = {};
  id = '';
  title = '';
  hidden = false;
  tabIndex = 0;
  open = false;
  returnValue = '';
  height = 0;
  #text = '';

  /** @param {string} tag */
  constructor(tag) {
    super();
    this.tag = tag;
  }

  /** @returns {string} */
  get textContent() {
    return this.#text + this.children.map((child) => child.textContent).join('');
  }

  set textContent(text) {
    this.#text = text;
    this.children = [];
  }

  set className(names) {
    this.classes = new Set(names.split(' '));
  }

  get className() {
    return [...this.classes].join(' ');
  }

  get classList() {
    return { toggle: (/** @type {string} */ name, /** @type {boolean} */ on) => void (on ? this.classes.add(name) : this.classes.delete(name)) };
  }

  /** @param {string} name */
  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }

  /** @param {string} name @param {string} value */
  setAttribute(name, value) {
    this.attributes.set(name, value);
  }

  /** @param {FakeElement[]} elements @param {number} at */
  #insert(elements, at) {
    this.children.splice(at, 0, ...elements);
    for (const element of elements) element.parent = this;
  }

  /** @param {...FakeElement} elements */
  append(...elements) {
    for (const element of elements) element.remove();
    this.#insert(elements, this.children.length);
  }

  /** @param {...FakeElement} elements */
  before(...elements) {
    for (const element of elements) element.remove();
    if (this.parent) this.parent.#insert(elements, this.parent.children.indexOf(this));
  }

  /** @param {...FakeElement} elements */
  after(...elements) {
    for (const element of elements) element.remove();
    if (this.parent) this.parent.#insert(elements, this.parent.children.indexOf(this) + 1);
  }

  /** What is taken out of the page loses the focus. */
  remove() {
    const { document } = globalThis;
    if (document?.activeElement && this.contains(/** @type {any} */ (document.activeElement))) Reflect.set(document, 'activeElement', null);
    const siblings = this.parent?.children ?? [];
    if (siblings.includes(this)) siblings.splice(siblings.indexOf(this), 1);
    this.parent = null;
  }

  /** @param {FakeElement | null} element @returns {boolean} */
  contains(element) {
    return element !== null && (element === this || this.contains(element.parent));
  }

  /** @param {string} selectors @returns {FakeElement[]} */
  querySelectorAll(selectors) {
    const wanted = selectors.split(',').map(selection);
    return this.children.flatMap((child) => [...(wanted.some((matches) => matches(child)) ? [child] : []), ...child.querySelectorAll(selectors)]);
  }

  /** @param {string} selectors */
  querySelector(selectors) {
    return this.querySelectorAll(selectors)[0] ?? null;
  }

  getBoundingClientRect() {
    return { height: this.height };
  }

  focus() {
    Reflect.set(globalThis.document, 'activeElement', this);
    for (let at = /** @type {FakeElement | null} */ (this); at; at = at.parent) at.dispatchEvent(new Event('focusin'));
  }

  click() {
    this.dispatchEvent(new Event('click'));
  }

  showModal() {
    this.open = true;
  }

  /** @param {string} [value] */
  close(value = this.returnValue) {
    this.open = false;
    this.returnValue = value;
    this.dispatchEvent(new Event('close'));
  }
}

class FakeButton extends FakeElement {}
class FakeSection extends FakeElement {}
class FakeSvg extends FakeElement {}
class FakeUse extends FakeSvg {}

/** @type {Record<string, typeof FakeElement>} */
const classes = { button: FakeButton, tbody: FakeSection, svg: FakeSvg, use: FakeUse };

/** A document that the reader looks at unless it is hidden. */
class FakeDocument extends EventTarget {
  /** @type {FakeElement | null} */
  activeElement = null;
  title = '';
  hidden = false;
  focused = true;

  hasFocus() {
    return this.focused && !this.hidden;
  }

  /** @param {string} tag */
  createElement(tag) {
    return element(tag);
  }
}

/**
 * Returns an element with those in it.
 *
 * @param {string} tag With a class or an id behind it, as in p.note.
 * @param {...FakeElement} children
 */
export function element(tag, ...children) {
  const [, name = '', id = '', className = ''] = /^(\w+)(?:#([\w-]+))?(?:\.([\w-]+))?$/.exec(tag) ?? [];
  const made = new (classes[name] ?? FakeElement)(name);
  made.id = id;
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * Has a document and a window until the test is over.
 *
 * @param {import('node:test').TestContext} t
 */
export function page(t) {
  const document = new FakeDocument();
  const window = new EventTarget();
  /** Has everything that follows sizes measure anew. @type {Set<() => void>} */
  const measuring = new Set();
  class FakeResizeObserver {
    /** @param {() => void} measure */
    constructor(measure) {
      this.measure = measure;
    }

    observe() {
      measuring.add(this.measure);
    }

    unobserve() {}

    disconnect() {
      measuring.delete(this.measure);
    }
  }
  const globals = {
    document, HTMLElement: FakeElement, HTMLButtonElement: FakeButton, HTMLTableSectionElement: FakeSection, SVGElement: FakeSvg, SVGUseElement: FakeUse,
    ResizeObserver: FakeResizeObserver, addEventListener: window.addEventListener.bind(window),
  };
  Object.assign(globalThis, globals);
  t.after(() => {
    for (const name of Object.keys(globals)) Reflect.deleteProperty(globalThis, name);
  });
  const stopping = new AbortController();
  t.after(() => stopping.abort());
  return { document, window, measuring, stopping, signal: stopping.signal };
}

// @ts-check

/**
 * Returns the one element that a selector finds; the page's template is broken if there is none.
 *
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(root, selector, type) {
  const element = root.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} at ${selector}`);
  return element;
}

/**
 * Returns a copy of what a template holds.
 *
 * @template {Element} T
 * @param {ParentNode} root Where the template is: a page's root, or the document for those that every page may use.
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function instantiate(root, id, type) {
  const template = find(root, `template#${id}`, HTMLTemplateElement);
  const element = document.importNode(template.content, true).firstElementChild;
  if (!(element instanceof type)) throw new Error(`the template ${id} does not hold a ${type.name}`);
  return element;
}

/**
 * Sets an element's text, unless that is its text already.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Sets a text that may be cut off where there is no room; pointing at it shows all of it.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setLongText(element, text) {
  setText(element, text);
  if (element.title !== text) element.title = text;
}

/**
 * Has a live region read something aloud. Equal words are changed slightly, because a screen reader reads only what has changed.
 *
 * @param {Element} region
 * @param {string} words
 */
export function say(region, words) {
  region.textContent = region.textContent === words ? `${words}\u00a0` : words;
}

/**
 * Shows one of the page's icons.
 *
 * @param {Element} svg
 * @param {string} name
 * @param {string} [className] Its colour.
 */
export function setIcon(svg, name, className = '') {
  const use = find(svg, 'use', SVGUseElement);
  const address = `#icon-${name}`;
  if (use.getAttribute('href') !== address) use.setAttribute('href', address);
  const classes = `icon ${className}`.trim();
  if (svg.getAttribute('class') !== classes) svg.setAttribute('class', classes);
}

/**
 * Returns a new element that shows one of the page's icons.
 *
 * @param {string} name
 * @param {string} [className]
 */
export function icon(name, className) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'use'));
  svg.setAttribute('aria-hidden', 'true');
  setIcon(svg, name, className);
  return svg;
}

/**
 * Returns a new element with a text.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} text
 * @param {string} [className]
 */
export function textElement(tag, text, className = '') {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

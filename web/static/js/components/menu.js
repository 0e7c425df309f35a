// @ts-check
import { find } from './dom.js';

/**
 * Has a menu close when the reader goes elsewhere, or presses Escape.
 *
 * @param {HTMLDetailsElement} menu
 * @param {AbortSignal} signal
 */
export function closing(menu, signal) {
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    menu.open = false;
    find(menu, 'summary', HTMLElement).focus();
  }, { signal });
  document.addEventListener('click', ({ target }) => {
    if (target instanceof Node && !menu.contains(target)) menu.open = false;
  }, { signal });
  menu.addEventListener('focusout', ({ relatedTarget: next }) => {
    if (next instanceof Node && !menu.contains(next)) menu.open = false;
  }, { signal });
}

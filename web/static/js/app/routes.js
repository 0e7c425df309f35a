// @ts-check
import { texts } from './texts.js';

/**
 * A page of the application.
 *
 * @typedef {object} Route
 * @property {string} path Below the application's root; also the name of the page's folder.
 * @property {import('../locale/locale.js').Text} name What the navigation calls it.
 * @property {() => Promise<{mount: Mount}>} load
 *
 * @callback Mount Shows the page. Everything that it starts ends with the signal.
 * @param {HTMLElement} root Empty; all that the page shows is in it.
 * @param {import('./session.js').Session} session
 * @param {AbortSignal} signal
 * @returns {Promise<void>} Ends when there is something to see.
 */

/** Every page, in the order of the navigation. The first one is also at the application's root. @type {readonly [Route, ...Route[]]} */
export const routes = [
  { path: 'overview', name: texts.overview, load: () => import('../pages/overview/overview.js') },
  { path: 'system', name: texts.system, load: () => import('../pages/system/system.js') },
];

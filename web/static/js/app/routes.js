// @ts-check
import { terms } from '../locale/terms.js';
import { texts } from './texts.js';

/**
 * A page of the application.
 *
 * @typedef {object} Route
 * @property {string} path The folder of the page, which is also its address below the application's root. A page in the folder of another one
 *   shows a single item of that: in its address, the item's id is in the place of the folder's name.
 * @property {import('../locale/locale.js').Text} name What the navigation calls it; of an item, what it is one of.
 * @property {() => Promise<{mount: Mount}>} load
 * @property {boolean} [whole] A page in the folder of another one that shows no single item of that: its address is that of its folder.
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
  { path: 'alerts', name: terms.alerts, load: () => import('../pages/alerts/alerts.js') },
  { path: 'alerts/alert', name: terms.alerts, load: () => import('../pages/alerts/alert/alert.js') },
  { path: 'rules', name: terms.rules, load: () => import('../pages/rules/rules.js') },
  { path: 'rules/rule', name: terms.rules, load: () => import('../pages/rules/rule/rule.js') },
  { path: 'kpis', name: terms.alertFigures, load: () => import('../pages/kpis/kpis.js') },
  { path: 'notifications', name: texts.notifications, load: () => import('../pages/notifications/notifications.js') },
  { path: 'notifications/routes', name: texts.routes, whole: true, load: () => import('../pages/notifications/routes/routes.js') },
  { path: 'notifications/calendar', name: texts.calendar, whole: true, load: () => import('../pages/notifications/calendar/calendar.js') },
  { path: 'maintenance', name: terms.maintenance, load: () => import('../pages/maintenance/maintenance.js') },
  { path: 'devices', name: terms.devices, load: () => import('../pages/devices/devices.js') },
  { path: 'devices/device', name: terms.devices, load: () => import('../pages/devices/device/device.js') },
  { path: 'sources', name: texts.sources, load: () => import('../pages/sources/sources.js') },
  { path: 'sources/source', name: texts.sources, load: () => import('../pages/sources/source/source.js') },
  { path: 'system', name: texts.system, load: () => import('../pages/system/system.js') },
];

/**
 * The address of the page that a single item of this one has in common with it; empty for a page of its own.
 *
 * @param {Route} route
 */
export function parentPath({ path }) {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

// @ts-check
import { terms } from '../locale/terms.js';
import { visible } from '../locale/visible.js';

/**
 * Names who has done something.
 *
 * @param {string} actor An opaque id.
 * @param {import('../locale/locale.js').Locale} locale
 */
export function actorName(actor, locale) {
  return actor === 'anonymous' ? locale.t(terms.anonymous) : visible(actor);
}

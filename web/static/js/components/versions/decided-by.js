// @ts-check
import { actorName } from '../actor.js';
import { texts } from './texts.js';

/**
 * @typedef {object} Decided One version of what people decide.
 * @property {number} version
 * @property {string} time
 * @property {string} actor
 * @property {string} [reason] Why it was decided; absent if no reason was given.
 * @property {string} action How; adopt or repeat if nobody has decided it.
 */

/**
 * Says who has decided something, and when.
 *
 * @param {Decided} decided
 * @param {number} now
 * @param {import('../../locale/locale.js').Locale} locale
 */
export function decidedBy({ action, actor, time }, now, locale) {
  const at = locale.timeOrDate(Date.parse(time), now);
  // Nobody has decided it: it was in force when an older database was restored.
  if (action === 'adopt' || action === 'repeat') return locale.t(texts.decidedByRestoring, { time: at });
  return locale.t(texts.decidedBy, { actor: actorName(actor, locale), time: at });
}

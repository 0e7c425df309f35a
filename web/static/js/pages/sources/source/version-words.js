// @ts-check
import { actorName } from '../../../components/actor.js';
import { texts } from './texts.js';

/**
 * Says who has decided a map, and when.
 *
 * @param {import('../../../model/source-map.js').MapVersion} version
 * @param {number} now
 * @param {import('../../../locale/locale.js').Locale} locale
 */
export function decidedBy({ action, actor, time }, now, locale) {
  const at = locale.timeOrDate(Date.parse(time), now);
  // Nobody has decided it: it was in force when an older database was restored.
  if (action === 'adopt' || action === 'repeat') return locale.t(texts.decidedByRestoring, { time: at });
  return locale.t(texts.decidedBy, { actor: actorName(actor, locale), time: at });
}

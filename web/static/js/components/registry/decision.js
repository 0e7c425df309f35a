// @ts-check
import { visible } from '../../locale/visible.js';
import { HistoryError } from '../../model/history.js';
import { texts } from './texts.js';

/**
 * Says why a change was not made.
 *
 * @param {unknown} error What the request was rejected with.
 * @param {import('../../locale/locale.js').Locale} locale
 * @param {import('../../locale/locale.js').Text} [changed] What to say if somebody else has changed it meanwhile, where that is no device.
 */
export function decisionWords(error, locale, changed = texts.changedMeanwhile) {
  if (!(error instanceof HistoryError)) return locale.t(texts.unanswered);
  if (error.status === 503) return locale.t(error.busy ? texts.busy : texts.unavailable);
  if (error.status === 412) return locale.t(changed);
  const mistakes = error.mistakes.map(({ message, location = '' }) => visible([location.replace(/^body\.?/, ''), message].filter(Boolean).join(': ')));
  return locale.t(texts.notChanged, { reason: mistakes.join('; ') || visible(error.message) });
}

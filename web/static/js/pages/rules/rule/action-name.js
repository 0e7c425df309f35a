// @ts-check
import { texts } from './texts.js';

/** How a rule was decided. @type {Record<string, import('../../../locale/locale.js').Text>} */
const actions = { create: texts.wasCreated, put: texts.wasChanged, delete: texts.wasDeleted, import: texts.wasImported, adopt: texts.wasKept, repeat: texts.wasKept };

/**
 * What a decision about a rule is called.
 *
 * @param {import('../../../model/rules.js').RuleVersion} version
 * @param {import('../../../locale/locale.js').Locale} locale
 */
export function actionName({ action }, locale) {
  return locale.t(actions[action] ?? texts.wasChanged);
}

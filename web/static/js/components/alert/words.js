// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { lifeOf } from '../../model/alert-life.js';
import { actorName } from '../actor.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Alert} Alert
 * @typedef {import('../../model/protocol.js').LifeState} LifeState
 * @typedef {import('../../model/alert-actions.js').AlertAction} AlertAction
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../locale/locale.js').Text} Text
 */

/** @type {Record<LifeState, Text>} */
export const lifeNames = {
  unacknowledged: texts.unacknowledged,
  acknowledged: texts.acknowledgedState,
  returned_unacknowledged: terms.returnedState,
  latched_unacknowledged: texts.latchedUnacknowledged,
  latched_acknowledged: texts.latchedAcknowledged,
  normal: texts.normal,
};

/** What each action is called, and what it means. @type {Record<AlertAction, [Text, Text]>} */
export const actionNames = {
  acknowledge: [texts.acknowledge, texts.acknowledgeWhy],
  comment: [texts.comment, texts.commentWhy],
  shelve: [texts.shelve, texts.shelveWhy],
  unshelve: [texts.unshelve, texts.unshelveWhy],
  reset: [texts.reset, texts.resetWhy],
  out_of_service: [texts.outOfService, texts.outOfServiceWhy],
  in_service: [texts.inService, texts.inServiceWhy],
};

/** @type {Record<string, Text>} */
const refusals = {
  over: texts.refusedOver, already_acknowledged: texts.refusedAcknowledged, not_latched: texts.refusedNotLatched, not_acknowledged: texts.refusedUnacknowledged,
  changed_meanwhile: texts.refusedChanged, nothing_to_end: texts.refusedNothing, end_passed: texts.refusedEnd, too_many_shelvings: texts.refusedTooMany,
  unknown_device: texts.refusedDevice, key_reused: texts.refusedKey,
};

/** @type {Record<string, Text>} */
const remaining = {
  shelved: texts.remainsShelved, device_shelved: texts.remainsDeviceShelved, out_of_service: texts.remainsOut, device_out_of_service: texts.remainsDeviceOut,
};

/**
 * Why the processor has not done something, and what suppresses the alert all the same. A newer server may have further reasons.
 *
 * @param {{refused?: import('../../model/history.js').Refusal | undefined, remains?: string | undefined}} of
 * @param {number} now
 * @param {Locale} locale
 */
export function refusalWords({ refused, remains = '' }, now, locale) {
  const { reason = '', by, at } = refused ?? {};
  const text = reason === 'changed_meanwhile' && by ? texts.refusedChangedBy : refusals[reason];
  const why = text && locale.t(text, { actor: by ? actorName(by, locale) : locale.t(terms.unknown), time: at ? locale.timeOrDate(Date.parse(at), now) : '' });
  const left = remaining[remains];
  return [why ?? (refused ? visible(reason) : ''), left ? locale.t(left) : ''].filter(Boolean).join(locale.t(terms.listSeparator)) || locale.t(terms.unknown);
}

/**
 * What a button that asks about an action first is called.
 *
 * @param {AlertAction} action
 * @param {Locale} locale
 */
export function offeredAction(action, locale) {
  return locale.t(texts.openDialog, { action: locale.t(actionNames[action][0]) });
}

/**
 * Why nobody is notified of an alert; empty if somebody is.
 *
 * @param {Pick<Alert, 'suppressed' | 'suppressed_until' | 'suppressed_by'>} alert
 * @param {number} now
 * @param {Locale} locale
 */
export function suppressionWords({ suppressed, suppressed_until: until, suppressed_by: by }, now, locale) {
  if (!suppressed) return '';
  if (suppressed === 'out_of_service') return locale.t(texts.outOfServiceState);
  if (suppressed === 'by_parent') return locale.t(texts.parentSilent, { parent: visible(by ?? '') });
  return until ? locale.t(suppressed === 'by_design' ? texts.maintainedUntil : texts.shelvedUntil, { time: locale.timeOrDate(Date.parse(until), now) }) : locale.t(texts.shelvedState);
}

/**
 * What suppresses an alert by its name, and why somebody has decided so; empty if neither is known.
 *
 * @param {Pick<Alert, 'suppressed' | 'suppressed_by' | 'suppressed_reason'>} alert
 * @param {Locale} locale
 */
export function whyWords({ suppressed, suppressed_by: by, suppressed_reason: why }, locale) {
  const name = suppressed === 'by_design' ? visible(by ?? '') : '';
  const reason = visible(why ?? '');
  return name && reason ? locale.t(texts.namedReason, { name, reason }) : name || reason;
}

/**
 * Who has decided the maintenance that suppresses an alert; empty if nobody has, or that is not known.
 *
 * @param {Pick<Alert, 'suppressed_actor'>} alert
 * @param {Locale} locale
 */
export function deciderWords({ suppressed_actor: actor }, locale) {
  return actor ? locale.t(texts.maintenanceDecidedBy, { actor: actorName(actor, locale) }) : '';
}

/**
 * Where an alert is in its life, and why nobody is notified of it.
 *
 * @param {Alert} alert
 * @param {number} now
 * @param {Locale} locale
 */
export function stateWords(alert, now, locale) {
  return [suppressionWords(alert, now, locale), locale.t(lifeNames[lifeOf(alert)])].filter(Boolean).join(locale.t(terms.listSeparator));
}

/**
 * Who has acknowledged an alert, and who has shelved it, or decided the maintenance, and why; empty if nobody has.
 *
 * @param {Alert} alert
 * @param {number} now
 * @param {Locale} locale
 */
export function handlingWords(alert, now, locale) {
  const by = (/** @type {Text} */ text, /** @type {string | undefined} */ actor, /** @type {string | undefined} */ at) =>
    actor && at ? locale.t(text, { actor: actorName(actor, locale), time: locale.timeOrDate(Date.parse(at), now) }) : '';
  const suppressed = suppressionWords(alert, now, locale);
  const shelved = alert.suppressed === 'shelved' || alert.suppressed === 'out_of_service';
  return [
    by(texts.acknowledgedBy, alert.acknowledged_by, alert.acknowledged_at),
    suppressed && [suppressed, shelved ? by(texts.suppressedBy, alert.suppressed_by, alert.suppressed_at) : ''].filter(Boolean).join(' '),
    whyWords(alert, locale), deciderWords(alert, locale),
  ].filter(Boolean).join(locale.t(terms.listSeparator));
}

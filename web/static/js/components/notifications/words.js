// @ts-check
import { visible } from '../../locale/visible.js';
import { decidedBy } from '../versions/decided-by.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../model/notifications.js').DecidedPart} DecidedPart
 * @typedef {import('../../model/notifications.js').Origin} Origin
 */

/** Why a decision is not in force, by the code of the interface. @type {Record<string, import('../../locale/locale.js').Text>} */
const reasons = { no_program: texts.reasonNoProgram, older_version: texts.reasonOlder, not_taken_over: texts.reasonNotTaken };

/**
 * Says why what is decided is not in force. What a newer server says is in its words.
 *
 * @param {Pick<DecidedPart, 'reason' | 'reason_code'>} part
 * @param {Origin | undefined} origin
 * @param {Locale} locale
 */
export function reasonWords({ reason = '', reason_code: code = '' }, origin, locale) {
  const text = reasons[code];
  return text ? locale.t(text, { program: visible(origin?.program ?? ''), host: visible(origin?.host ?? '') }) : visible(reason);
}

/**
 * Says where something comes from: the configuration file, or people.
 *
 * @param {DecidedPart} part
 * @param {Origin | undefined} origin
 * @param {string} by Who has decided it, and when.
 * @param {Locale} locale
 */
export function originWords({ decided_by: from, version }, origin, by, locale) {
  if (from === 'people') return locale.t(texts.fromPeople, { version: String(version), by });
  const { file = '', host = '', program = '' } = origin ?? {};
  return file ? locale.t(texts.fromFile, { file: visible(file), host: visible(host), program: visible(program) }) : locale.t(texts.fromConfiguration);
}

/**
 * Says who has decided a version, when and why; empty if that is not known.
 *
 * @param {import('../versions/decided-by.js').Decided[]} versions
 * @param {number} version
 * @param {import('../../app/session.js').Session} session
 */
export function byWords(versions, version, { clock, locale }) {
  const decided = versions.find((one) => one.version === version);
  return decided ? decidedBy(decided, clock.now(), locale) : '';
}

/**
 * Says what a part of something was, and what it becomes.
 *
 * @param {string} part
 * @param {string} before
 * @param {string} after
 * @param {Locale} locale
 */
export function partBecomes(part, before, after, locale) {
  return locale.t(texts.partBecomes, { part, before, after });
}

/**
 * What a version is called.
 *
 * @param {{version: number, deleted?: boolean}} version
 * @param {Locale} locale
 */
export function versionName({ version, deleted = false }, locale) {
  const name = locale.t(texts.versionIs, { version: String(version) });
  return deleted ? `${name} · ${locale.t(texts.versionBack)}` : name;
}

/** What to say while nobody has decided anything. */
export const versionsNone = texts.versionsNone;

/**
 * The question whether the configuration file is to hold again: its title, what that means, and what its button says.
 *
 * @param {Locale} locale
 * @returns {[string, string, string]}
 */
export function backQuestion(locale) {
  return [locale.t(texts.fileTitle), locale.t(texts.fileWords), locale.t(texts.fileNow)];
}

/** What the button says that asks for it. @param {Locale} locale */
export function backWords(locale) {
  return locale.t(texts.backToFile);
}

/** What is wrong with what is no number. @param {Locale} locale */
export function numberMistake(locale) {
  return locale.t(texts.mistakeIsNumber);
}

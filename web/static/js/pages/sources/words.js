// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { problemOf } from '../../model/sources.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/sources.js').Source} Source
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../locale/locale.js').Text} Text
 */

/** What each state is called, and its icon with its colour. @type {Record<string, [Text, string, string]>} */
const states = {
  connected: [texts.sourceConnected, 'online', 'status-online'],
  listening: [texts.sourceListening, 'online', 'status-online'],
  connecting: [texts.sourceConnecting, 'connecting', ''],
  failed: [texts.sourceFailed, 'critical', 'severity-critical'],
  waiting: [texts.sourceWaiting, 'pause', ''],
  unknown: [texts.sourceUnknown, 'warning', 'severity-warning'],
  blocked: [texts.sourceBlocked, 'warning', 'severity-warning'],
};

/** Every state, in the order in which they are offered. */
export const stateNames = /** @type {const} */ (['connected', 'connecting', 'failed', 'waiting', 'unknown']);

/**
 * Returns how a source is in words, its icon and the icon's colour. One that receives and cannot append is not called connected alone.
 *
 * @param {Pick<Source, 'state' | 'log_error' | 'clients'>} source
 * @param {Locale} locale
 * @returns {[string, string, string]}
 */
export function stateWords({ state, log_error: blocked, clients }, locale) {
  const connected = blocked !== undefined ? 'blocked' : clients !== undefined ? 'listening' : 'connected';
  const [words, icon, color] = states[state === 'connected' ? connected : state] ?? [terms.unknown, 'warning', ''];
  return [locale.t(words), icon, color];
}

/** What kinds of errors are called. The words of the server follow; in English they are enough. @type {Record<string, Text>} */
const causes = {
  name: texts.causeName, refused: texts.causeRefused, unreachable: texts.causeUnreachable, silent: texts.causeSilent,
  closed: texts.causeClosed, certificate: texts.causeCertificate, login: texts.causeLogin,
};

/**
 * Returns what is wrong with the connection of a source, in the reader's language as far as the kind of it is known.
 *
 * @param {Pick<Source, 'error' | 'error_cause'>} source
 * @param {Locale} locale
 */
export function errorWords({ error = '', error_cause: cause = '' }, locale) {
  const words = visible(error);
  const kind = causes[cause];
  return kind && words ? locale.t(kind, { error: words }) : words;
}

/**
 * Returns what is wrong with a source now, likewise; empty if nothing is.
 *
 * @param {Source} source
 * @param {Locale} locale
 */
export function problemWords(source, locale) {
  const problem = problemOf(source);
  return problem === source.error ? errorWords(source, locale) : visible(problem);
}

/**
 * A number of things a second; of few with a digit more.
 *
 * @param {number | undefined} rate
 * @param {Locale} locale
 */
export function rateWords(rate, locale) {
  if (rate === undefined) return locale.t(terms.unknown);
  return locale.number(rate, rate > 0 && rate < 10 ? 1 : 0);
}

/**
 * How long ago something was.
 *
 * @param {string | undefined} at
 * @param {number} now
 * @param {Locale} locale
 */
export function agoWords(at, now, locale) {
  return at === undefined ? locale.t(terms.unknown) : locale.ago(now - Date.parse(at));
}

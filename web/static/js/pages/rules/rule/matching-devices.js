// @ts-check
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rules.js').RuleBody} RuleBody
 */

/** How long after the last key the server is asked, in milliseconds. */
const typingPause = 400;

/** Says how many devices a rule watches. */
export class MatchingDevices {
  #session;
  #requests;
  #request;
  /** What was asked last, and what the answer is of. */
  #asked = '';
  #answered = '';
  /** @type {RuleBody | null} */
  #rule = null;
  /** @type {{total: number, items: {device_id: string}[]}} */
  #found = { total: 0, items: [] };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Session} session
   * @param {import('../../../model/rule-requests.js').RuleRequests} requests
   * @param {() => void} onAnswer
   * @param {AbortSignal} signal
   */
  constructor(session, requests, onAnswer, signal) {
    this.#session = session;
    this.#requests = requests;
    this.#request = session.ask((asking) => this.#requests.matching(/** @type {RuleBody} */ (this.#rule), asking), (found) => {
      this.#found = found;
      this.#answered = this.#asked;
    }, signal);
    this.#request.subscribe(onAnswer, { signal });
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  /** @param {RuleBody} rule */
  ask(rule) {
    const asked = scopeOf(rule);
    if (asked === this.#asked) return;
    const first = this.#asked === '';
    this.#asked = asked;
    this.#rule = rule;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#request.load(), first ? 0 : typingPause);
  }

  /** @param {RuleBody} rule */
  words(rule) {
    const { locale } = this.#session;
    if (rule.devices?.length) return locale.t(texts.matchesListed, { count: rule.devices.length });
    if (scopeOf(rule) !== this.#answered) return locale.t(this.#request.phase === 'failed' ? texts.matchesUnknown : texts.matchesAsked);
    const { items, total } = this.#found;
    if (total === 0) return locale.t(texts.matchesNone);
    const names = items.map(({ device_id: id }) => visible(id)).join(locale.t(terms.listSeparator));
    const words = locale.t(total > items.length ? texts.matchesMore : texts.matches, { count: total, names });
    return rule.except ? [words, locale.t(texts.matchesExcept)].join(locale.t(terms.sentenceSeparator)) : words;
  }
}

/** @param {RuleBody} rule */
function scopeOf({ device_type: type, area, labels }) {
  return JSON.stringify([type, area, labels]);
}

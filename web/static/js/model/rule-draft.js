// @ts-check
import { Draft } from './draft.js';
import { blankForm, bodyOf, formOf, rebasedForm, sameForm } from './rule-form.js';
import { ruleParts } from './rules.js';

/**
 * @typedef {import('./rules.js').DecidedRule} DecidedRule
 * @typedef {import('./rules.js').RuleBody} RuleBody
 * @typedef {import('./rule-form.js').RuleForm} RuleForm
 */

/** What a new rule is based on. @type {DecidedRule} */
const nothing = { name: '', version: 0, origin: 'decided', condition: { kind: 'threshold' }, severity: 'warning', in_force: true };

/**
 * An alert rule while it is edited, tried and decided.
 *
 * @extends {Draft<DecidedRule, RuleForm>}
 */
export class RuleDraft extends Draft {
  #requests;
  #name;
  #signal;

  /**
   * @param {import('./rule-requests.js').RuleRequests} requests
   * @param {{name: string, onDecided: () => void}} rule Its name, empty for a new one, and what to call when something else is decided, here or elsewhere.
   * @param {AbortSignal} signal
   */
  constructor(requests, { name, onDecided }, signal) {
    const valueOf = (/** @type {DecidedRule} */ rule) => (rule.version > 0 ? formOf(rule) : blankForm());
    super({ initial: blankForm(), valueOf, same: sameForm, rebased: rebasedForm, read: (asking) => requests.one(name, asking), onDecided }, signal);
    this.#requests = requests;
    this.#name = name;
    this.#signal = signal;
  }

  /** There is no such rule: what is saved is a new one. */
  fresh() {
    this.take({ ...nothing, name: this.#name });
  }

  /** What was typed, as far as it can be read, and what is wrong with it. */
  get typed() {
    return bodyOf(this.value);
  }

  /** The name that the rule has, or would have. */
  get name() {
    return this.#name || this.value.name.trim();
  }

  /** Decides what was typed. @param {string} [reason] Why. */
  async save(reason) {
    const { body } = this.typed;
    await this.#put(body, reason);
  }

  /**
   * Decides what an earlier version said, or the present one with another part. What was typed is forgotten.
   *
   * @param {RuleBody} body
   * @param {string} [reason]
   */
  async decideAs(body, reason) {
    this.reset();
    const said = ruleParts.filter((part) => body[part] !== undefined).map((part) => [part, body[part]]);
    await this.#put(/** @type {RuleBody} */ (Object.fromEntries(said)), reason);
  }

  /** Deletes the rule. What was typed is forgotten. @param {string} [reason] */
  async remove(reason) {
    this.reset();
    await this.decide(async (version) => {
      const { in_force } = await this.#requests.remove(this.#name, version, this.#signal, reason);
      return { ...nothing, name: this.#name, in_force };
    });
  }

  /**
   * @param {RuleBody} body
   * @param {string} [reason]
   */
  async #put(body, reason) {
    await this.decide((version) => (version > 0
      ? this.#requests.replace(this.#name, { body, version, reason }, this.#signal) : this.#requests.create({ ...body, name: this.name }, this.#signal, reason)));
  }
}

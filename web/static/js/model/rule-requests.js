// @ts-check
import { Decisions } from './decisions.js';

/**
 * @typedef {import('./rules.js').RuleBody} RuleBody
 * @typedef {import('./rules.js').ShownRule} ShownRule
 * @typedef {import('./rules.js').Trial} Trial
 * @typedef {import('./rules.js').RulesImported} RulesImported
 */

/**
 * What is decided about alert rules, tried and imported.
 *
 * @extends {Decisions<RuleBody, ShownRule>}
 */
export class RuleRequests extends Decisions {
  #history;

  /** @param {import('./history.js').History} history */
  constructor(history) {
    super(history, 'rules');
    this.#history = history;
  }

  /**
   * Returns the alerts that a rule would have raised.
   *
   * @param {{name?: string, rule: RuleBody, from: string, alerts: number}} trial The name of a rule to compare with. From: a time before now, such as -24h.
   * @param {AbortSignal} [signal]
   * @returns {Promise<Trial>}
   */
  async attempt(trial, signal) {
    return this.#history.ask('rules/try', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(trial), signal: signal ?? null });
  }

  /**
   * Returns how many devices are of a type, an area and labels, and the first ones.
   *
   * @param {RuleBody} rule
   * @param {AbortSignal} [signal]
   * @returns {Promise<{items: {device_id: string}[], total: number}>}
   */
  async matching({ device_type: type = '', area = '', labels = {} }, signal) {
    const given = [['type', type], ['area', area], ...Object.entries(labels).map(([name, value]) => ['label', value === '' ? name : `${name}=${value}`])].filter(([, value]) => value);
    return this.#history.ask(`devices?${new URLSearchParams([...given, ['never_sent', 'true'], ['offset', '0'], ['limit', '3']])}`, { signal: signal ?? null });
  }

  /**
   * Adds and replaces rules by a file, all or none.
   *
   * @param {Blob} file YAML, as the export writes it.
   * @param {{dryRun: boolean, deleteOthers: boolean, versions?: Record<string, number>}} how A dry run only answers with what would change. With the versions
   *   that it has answered nothing is changed if the rules have others now.
   * @param {AbortSignal} [signal]
   * @returns {Promise<RulesImported>}
   */
  async import(file, { dryRun, deleteOthers, versions }, signal) {
    const headers = { 'Content-Type': versions ? 'application/json' : 'application/yaml' };
    const body = versions ? JSON.stringify({ file: await file.text(), versions }) : file;
    return this.#history.ask(`rules/import?dry_run=${dryRun}&delete=${deleteOthers}`, { method: 'POST', headers, body, signal: signal ?? null });
  }
}

// @ts-check
import { Store } from './store.js';

/**
 * @typedef {import('./protocol.js').AlertRule} AlertRule
 * @typedef {import('./protocol.js').Hello} Hello
 * @typedef {import('./protocol.js').TypeSpec} TypeSpec
 */

/**
 * What the server reports about the plant as a whole, and about itself. Of a change it says whether other alert rules may be in force.
 *
 * @extends {Store<{rules?: boolean}>}
 */
export class PlantStore extends Store {
  /** In the server's order; empty before its greeting. @type {Map<string, TypeSpec>} */
  specs = new Map();
  /** The rules in force that compare the value of every device of a type, or the most urgent of them. @type {AlertRule[]} */
  rules = [];
  /** Empty before the greeting. */
  serverVersion = '';
  #windowSeconds = 30;

  /** How long windows are; that may change while the page is open. */
  get windowSeconds() {
    return this.#windowSeconds;
  }

  set windowSeconds(seconds) {
    if (seconds === this.#windowSeconds) return;
    this.#windowSeconds = seconds;
    this.changed({});
  }

  /**
   * The rules in force that compare the value of every device of a type.
   *
   * @param {string} type
   */
  rulesOf(type) {
    return this.rules.filter((rule) => rule.device_type === type);
  }

  /** Whether the server has said anything yet. */
  get known() {
    return this.serverVersion !== '';
  }

  /** @param {Hello} hello */
  apply(hello) {
    // While the page was away they may have changed.
    const rules = this.known;
    this.serverVersion = hello.server_version;
    this.specs = new Map(hello.device_types.map((spec) => [spec.name, spec]));
    this.rules = hello.alert_rules ?? [];
    this.#windowSeconds = hello.window_seconds;
    this.changed({ rules });
  }

  /** Other rules are in force. @param {AlertRule[]} rules */
  applyRules(rules) {
    this.rules = rules;
    this.changed({ rules: true });
  }

  /** People have decided more device types. @param {TypeSpec[]} types All of them. */
  applyTypes(types) {
    this.specs = new Map(types.map((spec) => [spec.name, spec]));
    this.changed({});
  }
}

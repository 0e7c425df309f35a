// @ts-check
import { Store } from './store.js';

/**
 * @typedef {import('./protocol.js').AlertRule} AlertRule
 * @typedef {import('./protocol.js').Hello} Hello
 * @typedef {import('./protocol.js').TypeSpec} TypeSpec
 */

/** What the server reports about the plant as a whole, and about itself. */
export class PlantStore extends Store {
  /** In the server's order; empty before its greeting. @type {Map<string, TypeSpec>} */
  specs = new Map();
  /** @type {AlertRule[]} */
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
    this.changed();
  }

  /**
   * Whether an alert is of a rule that compares the value of every device of a type with a threshold. Of others, such as those that judge a change
   * of the value, only their message says what they are about.
   *
   * @param {{alert_type: string, device_type: string}} alert
   */
  compares({ alert_type: rule, device_type: type }) {
    return this.rules.some((one) => one.alert_type === rule && one.device_type === type);
  }

  /** Whether the server has said anything yet. */
  get known() {
    return this.serverVersion !== '';
  }

  /** @param {Hello} hello */
  apply(hello) {
    this.serverVersion = hello.server_version;
    this.specs = new Map(hello.device_types.map((spec) => [spec.name, spec]));
    this.rules = hello.alert_rules ?? [];
    this.#windowSeconds = hello.window_seconds;
    this.changed();
  }

  /** People have decided more device types. @param {TypeSpec[]} types All of them. */
  applyTypes(types) {
    this.specs = new Map(types.map((spec) => [spec.name, spec]));
    this.changed();
  }
}

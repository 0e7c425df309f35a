// @ts-check
import { find } from '../../components/dom.js';
import { VirtualRows } from '../../components/virtual-rows.js';
import { AlertRow } from './alert-row.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/protocol.js').Alert} Alert
 * @typedef {import('../../model/alert-actions.js').AlertAction} AlertAction
 *
 * @typedef {object} AlertRows What the table shows.
 * @property {() => number} count How many rows.
 * @property {(index: number) => string | undefined} keyOf
 * @property {(index: number) => Alert[]} alertsAt The alerts of a row: one, or those of a group.
 * @property {(index: number) => import('../../model/alert-query.js').AlertGroup | undefined} groupAt
 */

/** The number of rows that are printed on paper. */
const printedRows = 50;

/** How many rows beyond each edge of what can be seen exist as well. */
const overscan = 16;

/** How long rows stay in their places after the last use of mouse or keyboard among them, in milliseconds. */
const patience = 10_000;

/** How long an alert that has just been raised is marked as new, in milliseconds. */
const freshFor = 10_000;

/** In a flood of more than these nothing is marked as new: everything is. */
const mostFresh = 50;

/** What a key does on a row. @type {Record<string, AlertAction>} */
const keys = { a: 'acknowledge', s: 'shelve', c: 'comment' };

/** The rows of alerts: to choose from, to open and to act on. */
export class AlertTable {
  #session;
  #options;
  #body;
  #table;
  #rows;
  /** When the rows were used last, by the steady clock. */
  #used = -Infinity;
  /** When alerts were raised while the page was shown, by their ids. @type {Map<string, number>} */
  #fresh = new Map();
  /** Alerts whose acknowledgement is on its way. @type {Set<string>} */
  #sent = new Set();

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {object} options
   * @param {AlertRows} options.rows
   * @param {import('../../model/choice.js').Choice<Alert>} options.choice
   * @param {(alert: Alert) => Promise<void>} options.onAcknowledge
   * @param {(action: AlertAction, alerts: Alert[]) => void} options.onAction
   * @param {() => void} options.onScroll
   * @param {AbortSignal} signal
   */
  constructor(root, session, options, signal) {
    this.#session = session;
    this.#options = options;
    const frame = find(root, '#alert-list', HTMLElement);
    this.#table = find(frame, 'table', HTMLTableElement);
    this.#body = find(frame, 'tbody', HTMLElement);
    this.#rows = new VirtualRows({
      frame, list: this.#body, make: () => new AlertRow(root), write: (row, i) => this.#write(row, i), keyOf: options.rows.keyOf, overscan, printed: printedRows, signal,
    });
    const used = () => (this.#used = performance.now());
    this.#body.addEventListener('pointermove', ({ pointerType }) => pointerType === 'mouse' && used(), { signal });
    this.#body.addEventListener('pointerleave', () => (this.#used = -Infinity), { signal });
    this.#body.addEventListener('keydown', (event) => {
      used();
      this.#press(event);
    }, { signal });
    this.#body.addEventListener('click', (event) => this.#click(event), { signal });
    this.#body.addEventListener('change', ({ target }) => target instanceof HTMLInputElement && this.#choose(this.#rows.indexOf(target), target.checked), { signal });
    frame.addEventListener('scroll', options.onScroll, { passive: true, signal });
    session.alerts.subscribe(({ news }) => this.#note(news), { signal });
  }

  /** Whether somebody works in the list. */
  get held() {
    return performance.now() - this.#used < patience;
  }

  /** Lets the rows move again. */
  release() {
    this.#used = -Infinity;
  }

  /** Whether the last rows can be seen. */
  get atEnd() {
    return this.#rows.seen[1] >= this.#rows.count - 30;
  }

  /** @param {Alert[]} news */
  #note(news) {
    const now = performance.now();
    for (const [id, at] of this.#fresh) if (now - at > freshFor) this.#fresh.delete(id);
    for (const { id, state } of news) if (state === 'raised') this.#fresh.set(id, now);
  }

  /**
   * @param {AlertRow} row
   * @param {number} index
   */
  #write(row, index) {
    const { rows, choice } = this.#options;
    const place = String(index + 2); // The head is the first.
    if (row.element.ariaRowIndex !== place) row.element.ariaRowIndex = place;
    const group = rows.groupAt(index);
    const alerts = rows.alertsAt(index);
    if (group) {
      const chosen = choice.size === 0 ? 0 : alerts.reduce((sum, { id }) => sum + (choice.has(id) ? 1 : 0), 0);
      row.showGroup(group, { chosen: chosen === alerts.length, partly: chosen > 0 && chosen < alerts.length, fresh: false, sent: false }, this.#session);
      return;
    }
    const [alert] = alerts;
    if (!alert) return;
    const fresh = this.#fresh.size <= mostFresh && performance.now() - (this.#fresh.get(alert.id) ?? -Infinity) < freshFor;
    row.show(alert, { chosen: choice.has(alert.id), partly: false, fresh, sent: this.#sent.has(alert.id) }, this.#session);
  }

  /**
   * @param {number} index
   * @param {boolean} chosen
   */
  #choose(index, chosen) {
    const { choice, rows } = this.#options;
    const alerts = rows.alertsAt(index);
    const ids = new Set(alerts.map(({ id }) => id));
    const others = choice.entries.filter(([id]) => !ids.has(id));
    choice.replace(chosen ? [...others, ...alerts.map((alert) => /** @type {[string, Alert]} */ ([alert.id, alert]))] : others);
  }

  /** @param {MouseEvent} event */
  #click({ target }) {
    if (!(target instanceof Element)) return;
    const row = target.closest('tr');
    if (target.closest('button')) {
      const [alert] = this.#options.rows.alertsAt(this.#rows.indexOf(target));
      if (alert) void this.#acknowledge(alert);
    } else if (!target.closest('a, input, .col-choose')) {
      row?.querySelector('a')?.click();
    }
  }

  /** @param {Alert} alert */
  async #acknowledge(alert) {
    if (this.#sent.has(alert.id)) return;
    this.#sent.add(alert.id);
    this.draw();
    await this.#options.onAcknowledge(alert);
    this.#sent.delete(alert.id);
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !(event.target instanceof HTMLAnchorElement)) return;
    const index = this.#rows.indexOf(event.target);
    const { choice, rows, onAction } = this.#options;
    const alerts = rows.alertsAt(index);
    const action = keys[event.key];
    if (event.key === ' ') {
      event.preventDefault();
      this.#choose(index, !alerts.every(({ id }) => choice.has(id)));
    } else if (action && alerts.length > 0) {
      event.preventDefault();
      onAction(action, choice.size > 0 ? [] : alerts);
    }
  }

  draw = () => this.#rows.draw();

  /** Shows the rows as they are now. */
  show() {
    const count = this.#options.rows.count();
    this.#rows.show(count);
    this.#table.ariaRowCount = String(count + 1);
  }
}

// @ts-check
import { Decisions } from './decisions.js';
import { Draft } from './draft.js';
import { blankCalendar, bodyOf, formOf, rebasedCalendar, sameCalendar } from './calendar-form.js';

/**
 * @typedef {import('./notifications.js').CalendarBody} CalendarBody
 * @typedef {import('./notifications.js').OnCallCalendar} OnCallCalendar
 * @typedef {import('./calendar-form.js').CalendarForm} CalendarForm
 * @typedef {{version: number, time: string, actor: string, action: string, reason?: string, deleted?: boolean, calendar?: CalendarBody}} CalendarVersion
 *
 * @typedef {Decisions<{calendar: CalendarBody} | {restore: number}, OnCallCalendar>} CalendarDecisions
 */

/** @param {import('./history.js').History} history @returns {CalendarDecisions} */
export function calendarDecisions(history) {
  return new Decisions(history, 'notifications/calendars');
}

/**
 * A calendar of who is on call while it is edited and decided.
 *
 * @extends {Draft<OnCallCalendar, CalendarForm>}
 */
export class CalendarDraft extends Draft {
  #decisions;
  #name;
  #signal;

  /**
   * @param {CalendarDecisions} decisions
   * @param {{name: string, onDecided: () => void}} calendar Its name, empty for a new one, and what to call when something else is decided, here or elsewhere.
   * @param {AbortSignal} signal
   */
  constructor(decisions, { name, onDecided }, signal) {
    super({ initial: blankCalendar(''), valueOf: formOf, same: sameCalendar, rebased: rebasedCalendar, read: (asking) => decisions.one(name, asking), onDecided }, signal);
    this.#decisions = decisions;
    this.#name = name;
    this.#signal = signal;
  }

  /** There is no such calendar: what is saved is a new one. @param {string} zone */
  fresh(zone) {
    this.take({ name: this.#name, time_zone: zone, otherwise: [], version: 0, decided_by: 'configuration', in_force: true, configured: false, next: [] });
  }

  /** What was typed, as far as it can be read, and what is wrong with it. */
  get typed() {
    return bodyOf(this.value);
  }

  /** The name that the calendar has, or would have. */
  get name() {
    return this.#name || this.value.name.trim();
  }

  /** Decides what was typed. @param {string} [reason] Why. */
  async save(reason) {
    await this.#put({ calendar: this.typed.body }, reason);
  }

  /**
   * Decides an earlier version again. What was typed is forgotten.
   *
   * @param {number} version
   * @param {string} [reason]
   */
  async restore(version, reason) {
    this.reset();
    await this.#put({ restore: version }, reason);
  }

  /** Takes back what was decided. What was typed is forgotten. @param {string} [reason] */
  async remove(reason) {
    this.reset();
    await this.decide(async (version) => {
      const { configured, in_force } = await this.#decisions.remove(this.#name, version, this.#signal, reason);
      if (configured) return this.#decisions.one(this.#name, this.#signal);
      return /** @type {OnCallCalendar & {in_force: boolean}} */ ({ ...this.base, version: 0, configured, in_force });
    });
  }

  /** Returns what was decided, the newest first. @param {AbortSignal} signal */
  async versions(signal) {
    const { items } = await this.#decisions.versions(this.#name, signal);
    return /** @type {CalendarVersion[]} */ (/** @type {unknown} */ (items));
  }

  /**
   * @param {{calendar: CalendarBody} | {restore: number}} body
   * @param {string} [reason]
   */
  async #put(body, reason) {
    await this.decide((version) => this.#decisions.replace(this.name, { body, version, ...(reason && { reason }) }, this.#signal));
  }
}

// @ts-check
import { html, nothing, render, svg } from '../../../../vendor/lit-html/lit-html.js';
import { find } from '../../../components/dom.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { devicePath } from '../../../model/device-link.js';
import { HistoryError } from '../../../model/history.js';
import { canBeTried } from '../../../model/rule-form.js';
import { judgesValues } from '../../../model/rules.js';
import { typedIn } from '../../../components/form/fields.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rules.js').RuleBody} RuleBody
 * @typedef {import('../../../model/rules.js').Tally} Tally
 * @typedef {import('../../../model/rules.js').Trial} Trial
 * @typedef {import('../../../model/rules.js').TriedAlert} TriedAlert
 *
 * @typedef {object} Subject What is tried.
 * @property {string} name The name of the rule that it is compared with; empty for none.
 * @property {RuleBody} body
 * @property {boolean} edited Whether it is another one than what is in force.
 */

/** The times that can be chosen, as the interface names them, with their hours. @type {[string, number][]} */
const spans = [['-1h', 1], ['-24h', 24], ['-7d', 7 * 24], ['-31d', 31 * 24]];

/** How many alerts are listed. */
const listed = 100;

/** Tries a rule on what the archive holds: how many alerts it would have raised, and which. */
export class TrialPanel {
  #element;
  #session;
  #options;
  #signal;
  #from = '-24h';
  #busy = false;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {{trial: Trial, body: RuleBody, said: string} | null} */
  #result = null;
  /** @type {unknown} */
  #error = null;

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {{requests: import('../../../model/rule-requests.js').RuleRequests, subject: () => Subject | null, check: () => boolean, onRefused: (error: unknown) => void}} options Check says
   *   whether what was typed can be tried; onRefused is called with what is wrong with it, or with null.
   * @param {AbortSignal} signal
   */
  constructor(element, session, options, signal) {
    this.#element = element;
    this.#session = session;
    this.#options = options;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#asking?.abort(), { once: true });
  }

  async #try() {
    const subject = this.#options.subject();
    if (!subject || !this.#options.check()) return;
    this.#asking = new AbortController();
    const signal = AbortSignal.any([this.#asking.signal, this.#signal]);
    this.#busy = true;
    this.#error = null;
    this.show();
    const { name, body } = subject;
    try {
      const trial = await this.#options.requests.attempt({ ...(name && { name }), rule: body, from: this.#from, alerts: listed }, signal);
      this.#result = { trial, body, said: JSON.stringify(body) };
    } catch (error) {
      if (!signal.aborted) this.#error = error;
    }
    this.#busy = false;
    if (this.#signal.aborted) return;
    this.#options.onRefused(this.#error instanceof HistoryError && this.#error.status === 422 ? this.#error : null);
    this.show();
    find(this.#element, '#trial-outcome', HTMLElement).focus();
  }

  /** Also in another language. */
  show() {
    const { locale } = this.#session;
    const subject = this.#options.subject();
    if (!subject) {
      render(nothing, this.#element);
      return;
    }
    const possible = canBeTried(subject.body.condition.kind);
    render(html`<div class="trial-ask">
        <label for="trial-span">${locale.t(texts.trialSpan)}</label>
        <select id="trial-span" ?disabled=${this.#busy} @change=${(/** @type {Event} */ event) => (this.#from = typedIn(event))}>${spans.map(([from, hours]) => html`<option value=${from} .selected=${from === this.#from}>${this.#last(hours)}</option>`)}</select>
        <button type="button" class="button ${subject.edited ? 'button-main' : ''}" id="trial-run" ?disabled=${!possible || this.#busy} @click=${() => void this.#try()}>${locale.t(subject.edited ? texts.trialEdited : texts.trialInForce)}</button>
        ${this.#busy ? html`<button type="button" class="button" id="trial-stop" @click=${() => this.#asking?.abort()}>${locale.t(texts.trialStop)}</button>` : nothing}
      </div>
      <p id="trial-outcome" role="status" tabindex="-1" class="trial-outcome" data-kind=${this.#error ? 'failed' : ''}>${this.#outcome(subject, possible)}</p>
      ${this.#result && !this.#busy ? this.#results(this.#result, subject) : nothing}`, this.#element);
  }

  /** @param {number} hours */
  #last(hours) {
    return this.#session.locale.t(texts.trialLast, { span: this.#session.locale.duration(hours * 3600_000) });
  }

  /**
   * @param {Subject} subject
   * @param {boolean} possible
   */
  #outcome(subject, possible) {
    const { locale } = this.#session;
    if (!possible) return locale.t(texts.trialImpossible);
    if (this.#busy) return locale.t(texts.trialBusy);
    if (this.#error) return this.#failure(this.#error);
    if (!this.#result) return locale.t(subject.name ? texts.trialWhyEdited : texts.trialWhy);
    const { body, said, trial } = this.#result;
    const { devices, medians, points, readings, stopped, tried } = trial;
    const limits = { readings: texts.stoppedReadings, time: texts.stoppedTime, devices: texts.stoppedDevices };
    return [
      said === JSON.stringify(subject.body) ? '' : locale.t(texts.trialOutdated),
      locale.t(texts.trialOf, { alerts: locale.t(texts.alertCount, { count: tried.alerts }), devices: locale.t(terms.devicesCounted, { count: devices }), readings }),
      stopped ? locale.t(limits[stopped]) : '',
      medians ? locale.t(texts.trialMedians, { span: locale.duration(medians.every_seconds * 1000) }) : '',
      medians?.without ? locale.t(texts.trialWithout, { count: medians.without }) : '',
      points?.machines ? locale.t(texts.trialPoints, { span: locale.duration(points.every_seconds * 1000) }) : '',
      points?.without ? locale.t(texts.trialWithoutPoint, { count: points.without }) : '',
      points?.devices_without_area ? locale.t(texts.trialWithoutArea, { count: points.devices_without_area }) : '',
      body.condition.kind === 'no_data' ? locale.t(texts.trialSilence) : '',
      tried.failed ? locale.t(texts.trialFailing, { count: tried.failed }) : '',
    ].filter(Boolean).join(locale.t(terms.sentenceSeparator));
  }

  /** @param {unknown} error */
  #failure(error) {
    const { locale } = this.#session;
    if (!(error instanceof HistoryError)) return locale.t(texts.trialFailed, { reason: locale.t(terms.disconnected) });
    if (error.status === 429) return locale.t(texts.trialTaken);
    const reason = error.mistakes.map(({ message }) => visible(message)).join('; ') || visible(error.message);
    return locale.t(texts.trialFailed, { reason });
  }

  /**
   * @param {{trial: Trial, body: RuleBody}} result
   * @param {Subject} subject
   */
  #results({ trial, body }, subject) {
    const { locale } = this.#session;
    const other = trial.in_force;
    return html`<table class="values trial-figures"><thead><tr><th scope="col">${locale.t(texts.trialFigure)}</th><th scope="col">${locale.t(subject.edited || other ? texts.asEdited : texts.inForceColumn)}</th>${other ? html`<th scope="col">${locale.t(texts.inForceColumn)}</th>` : nothing}</tr></thead>
      <tbody>${this.#figures(trial.tried).map(([name, value], i) => html`<tr><th scope="row">${name}</th><td>${value}</td>${other ? html`<td>${this.#figures(other)[i]?.[1]}</td>` : nothing}</tr>`)}</tbody></table>
      ${trial.tried.days.length > 2 ? this.#days(trial.tried.days) : nothing}
      ${trial.items.length > 0 ? this.#items(trial, body) : nothing}`;
  }

  /** @param {Tally} tally @returns {[string, string][]} */
  #figures(tally) {
    const { locale } = this.#session;
    const number = (/** @type {number} */ value) => locale.number(value, Number.isInteger(value) ? 0 : value < 10 ? 2 : 1);
    return [
      [locale.t(terms.alerts), number(tally.alerts)], [locale.t(texts.figureDaily), number(tally.per_day)], [locale.t(texts.figureOn), number(tally.devices)],
      [locale.t(texts.figureOpenAtEnd), number(tally.open)], [locale.t(texts.figureMean), tally.alerts ? locale.duration(tally.mean_seconds * 1000) : locale.t(terms.unknown)],
      [locale.t(texts.figureLongest), tally.alerts ? locale.duration(tally.longest_seconds * 1000) : locale.t(terms.unknown)],
      [locale.t(texts.figureChatterers), number(tally.chattering)], [locale.t(texts.figureBrief), number(tally.fleeting)],
    ];
  }

  /** @param {Tally['days']} days */
  #days(days) {
    const { locale } = this.#session;
    const most = Math.max(1, ...days.map(({ alerts }) => alerts));
    const label = locale.t(texts.daysLabel, { first: days[0]?.day ?? '', last: days.at(-1)?.day ?? '', most });
    return html`<svg class="trial-days" role="img" aria-label=${label} viewBox=${`0 0 ${days.length} 100`} preserveAspectRatio="none">${days.map(({ alerts, day }, i) =>
      (alerts > 0 ? svg`<rect x=${i + 0.08} width="0.84" y=${100 - (100 * alerts) / most} height=${(100 * alerts) / most}><title>${`${day}: ${locale.number(alerts)}`}</title></rect>` : nothing))}</svg>
      <p class="rates-axis"><span>${days[0]?.day}</span><span>${days.at(-1)?.day}</span></p>`;
  }

  /**
   * @param {Trial} trial
   * @param {RuleBody} body
   */
  #items({ items, left_out: left, in_force: other }, body) {
    const { clock, locale } = this.#session;
    const at = (/** @type {string} */ time) => locale.timeOrDate(Date.parse(time), clock.now());
    const by = { both: texts.byBoth, tried: texts.byTried, in_force: texts.byInForce };
    return html`<div class="list-frame trial-items" tabindex="0" role="region" aria-label=${locale.t(texts.trialItems)}><table class="values">
        <thead><tr><th scope="col">${locale.t(texts.itemRaised)}</th><th scope="col">${locale.t(terms.device)}</th><th scope="col">${locale.t(terms.value)}</th><th scope="col">${locale.t(texts.itemLasted)}</th>${other ? html`<th scope="col">${locale.t(texts.itemBy)}</th>` : nothing}</tr></thead>
        <tbody>${items.map((item) => html`<tr data-by=${item.by}><td>${at(item.raised_at)}</td><td class="wide"><a class="link" dir="auto" href=${this.#session.href(devicePath(item.device_id))}>${visible(item.device_id)}</a></td>
          <td>${this.#value(item, body)}</td><td>${item.cleared_at ? locale.duration(Date.parse(item.cleared_at) - Date.parse(item.raised_at)) : locale.t(texts.stillOpen)}</td>${other ? html`<td>${locale.t(by[item.by])}</td>` : nothing}</tr>`)}</tbody></table></div>
      ${left > 0 ? html`<p class="soft">${locale.t(texts.itemsLeft, { count: left })}</p>` : nothing}`;
  }

  /**
   * What was judged: a value, or a number.
   *
   * @param {TriedAlert} item
   * @param {RuleBody} body
   */
  #value({ alert_type: type, current_value: value, unit = '' }, body) {
    const { locale, plant } = this.#session;
    const level = /\.(low_low|low|high|high_high)$/.exec(type)?.[1] ?? '';
    const shown = judgesValues({ condition: body.condition }) ? locale.reading(value, plant.specs.get(body.device_type ?? '')) : [locale.precise(value), visible(unit)].filter(Boolean).join(' ');
    return body.condition.kind === 'levels' && level ? html`${shown} <span class="soft">${level}</span>` : shown;
  }
}

// @ts-check
import { html, render } from '../../../vendor/lit-html/lit-html.js';
import { find } from '../dom.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { Decisions } from '../../model/decisions.js';
import { inOrder, phaseOf } from '../../model/maintenance.js';
import { QuickForm } from './quick-form.js';
import { texts } from './texts.js';
import { maintenancePath } from './words.js';

/** How often the server is asked, in milliseconds. */
const period = 10_000;

/** How long before it begins planned maintenance is shown, in milliseconds. */
const ahead = 24 * 3600_000;

/** Says on a device's page that the device is under maintenance, or will be soon, and begins it. */
export class DeviceMaintenance {
  #element;
  #dialog;
  #session;
  #id;
  #request;
  #quick;
  /** @type {import('../../model/maintenance.js').Maintenance[]} */
  #plans = [];

  /**
   * @param {HTMLElement} element
   * @param {HTMLDialogElement} dialog
   * @param {import('../../app/session.js').Session} session
   * @param {string} id The device's.
   * @param {AbortSignal} signal
   */
  constructor(element, dialog, session, id, signal) {
    this.#element = element;
    this.#dialog = dialog;
    this.#session = session;
    this.#id = id;
    /** @type {import('../../model/maintenance.js').MaintenanceDecisions} */
    const decisions = new Decisions(session.history, 'maintenance');
    this.#request = session.ask((asking) => decisions.list({ device: id }, asking), ({ items }) => (this.#plans = items), signal);
    this.#request.subscribe(() => this.draw(), { signal });
    render(html`<h3 id="device-maintenance-title"></h3><p class="soft"></p><div></div><div class="question-buttons"><button type="button" class="button" @click=${() => dialog.close()}></button></div>`, dialog);
    this.#quick = new QuickForm(find(dialog, 'div', HTMLElement), session, { fixed: { kind: 'device', value: id }, onBegun: () => this.#request.load() }, signal);
    session.clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
    }, { signal });
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  start() {
    this.#request.load();
  }

  #open() {
    this.#quick.reset();
    this.#dialog.showModal();
  }

  /** Everything, also in another language. */
  show() {
    const { locale } = this.#session;
    find(this.#dialog, 'h3', HTMLElement).textContent = locale.t(texts.beginOfDeviceTitle, { device: visible(this.#id) });
    find(this.#dialog, 'p', HTMLElement).textContent = locale.t(texts.quickWhy);
    find(this.#dialog, '.question-buttons button', HTMLElement).textContent = locale.t(terms.close);
    this.#quick.show();
    this.draw();
  }

  /** What is going on, and what will be soon. */
  draw() {
    const { clock, locale } = this.#session;
    const now = clock.now();
    const shown = inOrder(this.#plans, now).flatMap((plan) => {
      const { phase, from, until } = phaseOf(plan, now);
      const name = visible(plan.name);
      if (phase === 'running') return [{ plan, running: true, words: locale.t(texts.underMaintenance, { name, time: locale.timeOrDate(until, now) }) }];
      return phase === 'planned' && from < now + ahead ? [{ plan, running: false, words: locale.t(texts.maintenanceSoon, { name, time: locale.timeOrDate(from, now) }) }] : [];
    });
    render(html`${shown.map(({ plan, running, words }) => html`<a class=${running ? 'link maintained-running' : 'link'} href=${this.#session.href(maintenancePath(plan.name))}>${words}</a>`)}
      <button type="button" class="button" id="device-maintain" @click=${() => this.#open()}>${locale.t(texts.beginOfDevice)}</button>`, this.#element);
  }
}

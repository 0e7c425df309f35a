// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { actorName } from '../../components/actor.js';
import { find, setText } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { LoadState } from '../../components/load-state.js';
import { QuickForm } from '../../components/maintenance/quick-form.js';
import { texts as shared } from '../../components/maintenance/texts.js';
import { scopeWords, weeklyWords, whenWords } from '../../components/maintenance/words.js';
import { decisionWords } from '../../components/registry/decision.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { visible } from '../../locale/visible.js';
import { Decisions } from '../../model/decisions.js';
import { inOrder, phaseOf } from '../../model/maintenance.js';
import { DeleteQuestion } from './delete-question.js';
import { Editor } from './editor.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/maintenance.js').Maintenance} Maintenance
 * @typedef {import('../../locale/locale.js').Text} Text
 */

/** How often the server is asked, in milliseconds. */
const period = 10_000;

/** How where maintenance is is shown. @type {Record<import('../../model/maintenance.js').Phase, [Text, string]>} */
const phases = { running: [texts.phaseRunning, 'pause'], planned: [texts.phasePlanned, 'info'], over: [texts.phaseOver, 'cleared'] };

/**
 * Shows what is maintained, was and will be, and lets people begin, plan and end maintenance.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./maintenance.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new MaintenancePage(root, session, signal).start();
}

/** The page's parts. The one that the address names is marked. */
class MaintenancePage {
  #root;
  #session;
  #frames;
  #decisions;
  #request;
  #state;
  #quick;
  #editor;
  #question;
  #signal;
  /** @type {Maintenance[]} */
  #plans = [];
  /** What became of the last change. */
  #outcome = '';
  /** The name of the one that is being ended; empty for none. */
  #ending = '';
  /** Whether the one that the address names has been brought into sight. */
  #shown = false;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    this.#signal = signal;
    this.#frames = new Frames(signal);
    /** @type {import('../../model/maintenance.js').MaintenanceDecisions} */
    this.#decisions = new Decisions(session.history, 'maintenance');
    this.#request = session.ask((asking) => this.#decisions.list({ details: 'true' }, asking), ({ items }) => (this.#plans = items), signal);
    const load = () => this.#request.load();
    this.#state = new LoadState(this.#at('#plans-state'), session, { empty: texts.plansNone, failed: texts.plansFailed, onRetry: load }, signal);
    this.#quick = new QuickForm(this.#at('#quick'), session, { onBegun: load }, signal);
    const decided = (/** @type {string} */ name, /** @type {boolean} */ inForce, /** @type {Text} */ text) => this.#decided(name, inForce, text);
    this.#editor = new Editor(find(root, '#plan', HTMLDialogElement), session, { decisions: this.#decisions, onDecided: (name, inForce) => decided(name, inForce, texts.planSaved) }, signal);
    this.#question = new DeleteQuestion(find(root, '#plan-question', HTMLDialogElement), session, { decisions: this.#decisions, onDecided: (name, inForce) => decided(name, inForce, texts.planDeleted) }, signal);
    this.#at('#plan-new').addEventListener('click', () => this.#editor.open(null), { signal });
    this.#request.subscribe(() => this.#frames.request(this.#draw), { signal });
    session.clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
      this.#frames.request(this.#draw);
    }, { signal });
    session.address.subscribe(() => this.#frames.request(this.#draw), { signal });
    for (const store of [session.appearance, session.plant]) store.subscribe(() => this.#frames.request(this.#show), { signal });
  }

  start() {
    this.#show();
    this.#request.load();
  }

  /**
   * @param {string} name
   * @param {boolean} inForce
   * @param {Text} text
   */
  #decided(name, inForce, text) {
    this.#outcome = this.#session.locale.t(inForce ? text : texts.planLater, { name: visible(name) });
    this.#draw();
    this.#at('#plans-outcome').focus();
    this.#request.load();
  }

  /** @param {Maintenance} plan */
  async #end({ name, version }) {
    if (this.#ending) return;
    this.#ending = name;
    this.#outcome = '';
    this.#draw();
    try {
      const made = await this.#decisions.act(name, { action: 'end', version }, this.#signal);
      this.#ending = '';
      this.#decided(name, made.in_force, texts.planEnded);
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#ending = '';
      this.#outcome = decisionWords(error, this.#session.locale, shared.changedByOthers);
      this.#request.load();
    }
  }

  /** Everything in the present language. */
  #show = () => {
    translate(this.#root, this.#session.locale, texts);
    this.#quick.show();
    this.#editor.show();
    this.#question.show();
    this.#draw();
  };

  #draw = () => {
    const { clock, locale } = this.#session;
    const now = clock.now();
    const plans = inOrder(this.#plans, now);
    const count = (/** @type {string} */ phase) => plans.filter((plan) => phaseOf(plan, now).phase === phase).length;
    setText(this.#at('#plans-count'), plans.length > 0 ? locale.t(texts.plansCount, { running: count('running'), planned: count('planned') }) : '');
    setText(this.#at('#plans-outcome'), this.#outcome || this.#missing(plans));
    this.#state.update(this.#request, { empty: plans.length === 0 });
    render(plans.length > 0 ? html`<ol class="plans">${repeat(plans, ({ name }) => name, (plan) => this.#item(plan, now))}</ol>` : nothing, this.#at('#plans'));
    const marked = this.#root.querySelector('.plans > .open');
    if (!marked || this.#shown) return;
    this.#shown = true;
    marked.scrollIntoView({ block: 'nearest' });
  };

  /**
   * Says that what the address names is not there.
   *
   * @param {Maintenance[]} plans
   */
  #missing(plans) {
    const named = this.#session.address.get('name');
    const missing = named && this.#request.phase === 'loaded' && !plans.some(({ name }) => name === named);
    return missing ? this.#session.locale.t(texts.planMissing, { name: visible(named) }) : '';
  }

  /**
   * @param {Maintenance} plan
   * @param {number} now
   */
  #item(plan, now) {
    const { address, locale } = this.#session;
    const { phase } = phaseOf(plan, now);
    const [words, icon] = phases[phase];
    const name = visible(plan.name);
    const weekly = weeklyWords(plan, locale);
    return html`<li class=${plan.name === address.get('name') ? 'open' : ''} data-phase=${phase}>
      <span class="plan-phase"><svg class="icon" aria-hidden="true"><use href="#icon-${icon}"></use></svg> ${locale.t(words)}</span>
      <h3 class="plan-name">${name}</h3>
      <p class="plan-what">${scopeWords(plan, this.#session)}</p>
      <p class="plan-when">${[whenWords(plan, now, locale), weekly].filter(Boolean).join(' · ')}</p>
      ${plan.reason ? html`<p class="plan-reason">${visible(plan.reason)}</p>` : nothing}
      <p class="plan-figures">${this.#figures(plan, phase)}</p>
      <p class="plan-by">${plan.time ? locale.t(texts.planBy, { actor: actorName(plan.actor ?? '', locale), time: locale.timeOrDate(Date.parse(plan.time), now) }) : nothing}</p>
      <div class="plan-buttons">
        ${phase === 'running' ? html`<button type="button" class="button button-main" aria-label=${locale.t(texts.planEndOf, { name })} ?disabled=${this.#ending !== ''} @click=${() => void this.#end(plan)}>${locale.t(texts.planEnd)}</button>` : nothing}
        <button type="button" class="button" aria-label=${locale.t(texts.planEditOf, { name })} @click=${() => this.#editor.open(plan)}>${locale.t(texts.planEdit)}</button>
        <button type="button" class="button" aria-label=${locale.t(texts.planDeleteOf, { name })} @click=${() => this.#question.open(plan)}>${locale.t(texts.planDelete)}</button>
      </div>
    </li>`;
  }

  /**
   * @param {Maintenance} plan
   * @param {import('../../model/maintenance.js').Phase} phase
   */
  #figures({ devices_selected: devices, alerts_suppressed: suppressed = 0 }, phase) {
    const { locale } = this.#session;
    if (devices === undefined) return nothing;
    const selected = devices > 0 ? locale.t(texts.planDevices, { count: devices }) : html`<span class="plan-nothing">${locale.t(texts.planNoDevices)}</span>`;
    return html`${selected}${phase === 'running' && suppressed > 0 ? html` · ${locale.t(texts.planSuppressed, { count: suppressed })}` : nothing}`;
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}

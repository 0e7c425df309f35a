// @ts-check
import { find, setText } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { LoadState } from '../../components/load-state.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { partitionRates } from '../../model/system.js';
import { DeadLetterPanel } from './dead-letter-panel.js';
import { FigureRow } from './figure-row.js';
import { showForward } from './forward-panel.js';
import { showPartitions } from './partition-table.js';
import { showPrograms } from './program-list.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/system.js').System} System
 */

/** How often the server is asked, in milliseconds. */
const period = 2000;

/** From here on the page says how old its figures are, in milliseconds. */
const oldAfter = 15_000;

/**
 * Shows how the programs are doing, and what they have rejected.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./system.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new SystemPage(root, session, signal).start();
}

/** The page's parts. They are drawn with each answer of the server. */
class SystemPage {
  #root;
  #session;
  #frames;
  #request;
  #state;
  #figures;
  #letters;
  /** @type {System | null} */
  #latest = null;
  /** How many records a second come into each partition. @type {Map<number, number>} */
  #rates = new Map();

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#figures = new FigureRow(find(root, '#system-figures', HTMLElement), session);
    this.#letters = new DeadLetterPanel(root, session, signal);
    this.#request = session.ask((asking) => session.history.system(asking), (system) => this.#apply(system), signal);
    const retry = () => this.#request.load();
    this.#state = new LoadState(find(root, '#system-state', HTMLElement), session, { empty: texts.programsNone, failed: texts.systemFailed, onRetry: retry }, signal);
    this.#request.subscribe(() => this.#frames.request(this.#draw), { signal });
    session.clock.subscribe(() => {
      this.#request.renew(period);
      this.#frames.request(this.#draw);
    }, { signal });
    session.appearance.subscribe(() => this.#show(), { signal });
  }

  start() {
    this.#show();
    this.#request.load();
    this.#letters.start();
  }

  /** @param {System} system */
  #apply(system) {
    this.#rates = partitionRates(this.#latest, system);
    this.#latest = system;
    this.#letters.notice(system.dead_letters?.end);
  }

  /** Draws everything, in the present language. */
  #show() {
    translate(this.#root, this.#session.locale, texts);
    this.#letters.show();
    this.#draw();
  }

  #draw = () => {
    const system = this.#latest;
    this.#state.update(this.#request, { empty: !system });
    this.#showAge(system);
    if (!system) return;
    this.#figures.show(system);
    const { locale } = this.#session;
    find(this.#root, '#forward', HTMLElement).hidden = !system.forward;
    if (system.forward) showForward(find(this.#root, '#forward-facts', HTMLElement), { forward: system.forward, now: this.#session.clock.now(), locale });
    showPartitions(find(this.#root, '#partition-list', HTMLElement), { system, rates: this.#rates, locale });
    showPrograms(find(this.#root, '#program-list', HTMLElement), { system, now: this.#session.clock.now(), locale });
  };

  /** @param {System | null} system */
  #showAge(system) {
    const { clock, locale } = this.#session;
    const element = find(this.#root, '#system-old', HTMLElement);
    const age = system ? clock.now() - Date.parse(system.timestamp) : 0;
    element.hidden = age < oldAfter;
    setText(element, element.hidden ? '' : locale.t(texts.systemOld, { age: locale.duration(age) }));
  }
}

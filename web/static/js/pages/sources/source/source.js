// @ts-check
import { find, icon, setText, textElement } from '../../../components/dom.js';
import { Frames } from '../../../components/frames.js';
import { loadTemplate } from '../../../components/template.js';
import { translate } from '../../../components/translation.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { decodedId } from '../../../model/device-link.js';
import { SourceRates } from '../../../model/sources.js';
import { stateWords } from '../words.js';
import { MapPanel } from './map-panel.js';
import { RejectList } from './reject-list.js';
import { showFacts } from './source-facts.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/sources.js').SourceDetail} SourceDetail
 */

/** How often the server is asked, in milliseconds. */
const period = 2000;

/**
 * Shows one source: how it is, what it has rejected, what it receives and what that becomes.
 *
 * @type {import('../../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./source.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new SourcePage(root, session, signal).start();
}

/** The page's parts. They are drawn with each answer of the server. */
class SourcePage {
  #root;
  #session;
  #frames;
  #name;
  #request;
  #rejects;
  #map;
  #rates = new SourceRates();
  /** @type {SourceDetail | null} */
  #detail = null;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    const { path } = session.address;
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#name = decodedId(path) ?? path.slice(path.lastIndexOf('/') + 1);
    this.#request = session.ask((asking) => session.history.source(this.#name, asking), (detail) => this.#apply(detail), signal);
    this.#rejects = new RejectList(this.#at('#rejects'), session);
    this.#map = new MapPanel(root, session, this.#name, signal);
    this.#at('#source-problem button').addEventListener('click', () => this.#request.load(), { signal });
    const draw = () => this.#frames.request(this.#draw);
    this.#request.subscribe(draw, { signal });
    session.clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
      draw();
    }, { signal });
    for (const store of [session.appearance, session.plant]) store.subscribe(() => this.#frames.request(this.#show), { signal });
  }

  start() {
    find(this.#root, '#source-list-link', HTMLAnchorElement).href = this.#session.href('sources');
    this.#show();
    this.#request.load();
    this.#map.start();
  }

  /** @param {SourceDetail} detail */
  #apply(detail) {
    this.#rates.apply([detail]);
    this.#detail = detail;
  }

  /** Everything in the present language. */
  #show = () => {
    translate(this.#root, this.#session.locale, texts);
    this.#map.show();
    this.#draw();
  };

  #draw = () => {
    const { clock, locale } = this.#session;
    const detail = this.#detail;
    setText(this.#at('#source-title'), visible(this.#name));
    for (const part of this.#root.querySelectorAll('[data-part]')) /** @type {HTMLElement} */ (part).hidden = !detail;
    this.#showProblem(detail ? '' : this.#problem);
    if (!detail) return;
    const [words, name, color] = stateWords(detail, locale);
    const since = locale.t(texts.stateSince, { state: words, time: locale.duration(clock.now() - Date.parse(detail.since)) });
    const state = this.#at('#source-state');
    if (state.textContent !== since) state.replaceChildren(icon(name, color), textElement('span', since));
    showFacts(this.#at('#source-facts'), { source: detail, rates: this.#rates.of(this.#name), now: clock.now(), locale });
    this.#rejects.show(detail.rejects);
    this.#map.source = detail;
  };

  /** Why there is nothing to show; empty while it is being loaded. */
  get #problem() {
    const { locale } = this.#session;
    const { phase, reason, status } = this.#request;
    if (phase !== 'failed') return '';
    return status === 404 ? locale.t(texts.sourceMissing, { name: visible(this.#name) }) : locale.t(texts.sourceLoadFailed, { reason: reason || locale.t(terms.disconnected) });
  }

  /** @param {string} problem */
  #showProblem(problem) {
    const element = this.#at('#source-problem');
    element.hidden = !problem;
    setText(find(element, 'p', HTMLElement), problem);
    find(element, 'button', HTMLButtonElement).hidden = this.#request.phase !== 'failed' || this.#request.status === 404;
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}

// @ts-check
import { find, setText } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { LoadState } from '../../components/load-state.js';
import { rangeSegment } from '../../components/range-segment.js';
import { Segmented } from '../../components/segmented.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { devicePath } from '../../model/device-link.js';
import { figures, spans, usualSpan } from '../../model/kpis.js';
import { figureWords, showMost, showRates, showTargets } from './parts.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/kpis.js').Kpis} Kpis
 */

/** How often the server is asked, in milliseconds: the figures are of days. */
const period = 60_000;

/** The seconds of a day. */
const day = 86_400;

/**
 * Shows how much operators have to deal with, beside the targets of the standards.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./kpis.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new KpisPage(root, session, signal).start();
}

/** The page's parts. They are drawn with each answer of the server. */
class KpisPage {
  #root;
  #session;
  #frames;
  #request;
  #state;
  #span;
  #operators;
  /** @type {Kpis | null} */
  #latest = null;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#operators = find(root, '#kpis-operators', HTMLInputElement);
    this.#span = new Segmented(find(root, '#kpis-span', HTMLElement), () => this.#request.load(), signal);
    const question = (/** @type {AbortSignal} */ asking) => session.history.kpis({ days: Number(this.#span.value), operators: this.#crew }, asking);
    this.#request = session.ask(question, (kpis) => { this.#latest = kpis; }, signal);
    const retry = () => this.#request.load();
    this.#state = new LoadState(find(root, '#kpis-state', HTMLElement), session, { empty: texts.ratesNone, failed: texts.kpisFailed, onRetry: retry }, signal);
    this.#operators.addEventListener('change', () => {
      this.#operators.value = String(this.#crew);
      this.#request.load();
    }, { signal });
    this.#request.subscribe(() => this.#frames.request(this.#draw), { signal });
    session.clock.subscribe(() => this.#request.renew(period), { signal });
    session.appearance.subscribe(() => this.#show(), { signal });
  }

  start() {
    this.#show();
    this.#span.value = String(usualSpan);
    this.#request.load();
  }

  /** How many operators share the alerts: what was entered, as far as it is a number. */
  get #crew() {
    return Math.min(Math.max(Math.round(Number(this.#operators.value)) || 1, 1), 1000);
  }

  /** Draws everything, in the present language. */
  #show() {
    const { locale } = this.#session;
    translate(this.#root, locale, texts);
    this.#span.offer(spans.map((days) => ({ ...rangeSegment({ name: String(days), seconds: days * day }, locale), value: String(days) })));
    this.#draw();
  }

  #draw = () => {
    const kpis = this.#latest;
    this.#state.update(this.#request, { empty: !kpis });
    if (!kpis) return;
    const { locale } = this.#session;
    this.#showTiles(kpis);
    this.#showNotice(kpis);
    showRates(find(this.#root, '#kpis-rates', HTMLElement), kpis, locale);
    showTargets(find(this.#root, '#kpis-targets', HTMLElement), kpis, locale);
    showMost(find(this.#root, '#kpis-most', HTMLElement), kpis, locale, (id) => this.#session.href(devicePath(id)));
    setText(find(this.#root, '#kpis-note', HTMLElement), locale.t(texts.kpisNote, { alerts: locale.number(kpis.alerts), suppressed: locale.number(kpis.suppressed) }));
  };

  /** @param {Kpis} kpis */
  #showTiles(kpis) {
    const { locale } = this.#session;
    const all = new Map(figures(kpis).map((figure) => [figure.name, figure]));
    for (const [tile, name] of /** @type {const} */ ([['rate', 'per_10_minutes'], ['peak', 'peak_10_minutes'], ['flood', 'flood_percent'], ['stale', 'stale']])) {
      const figure = all.get(name);
      if (!figure) continue;
      const words = (/** @type {number} */ value) => figureWords(value, figure.percent, locale);
      this.#set(tile, words(figure.value), locale.t(texts.tileTarget, { target: words(figure.target) }), !figure.met);
    }
    const time = (/** @type {number} */ seconds) => locale.duration(seconds * 1000);
    if (kpis.acknowledged === 0) this.#set('acknowledge', '–', locale.t(texts.tileAcknowledgeNone), false);
    else {
      const detail = locale.t(texts.tileAcknowledgeDetail, { count: locale.number(kpis.acknowledged), time: time(kpis.acknowledge_late_seconds) });
      this.#set('acknowledge', time(kpis.acknowledge_median_seconds), detail, false);
    }
  }

  /**
   * @param {string} name
   * @param {string} value
   * @param {string} detail
   * @param {boolean} abnormal Whether it is not as it should be.
   */
  #set(name, value, detail, abnormal) {
    const element = find(this.#root, `[data-figure="${name}"]`, HTMLElement);
    setText(element, value);
    const below = find(this.#root, `[data-figure="${name}-detail"]`, HTMLElement);
    setText(below, detail);
    below.title = detail;
    element.closest('.kpi')?.classList.toggle('abnormal', abnormal);
  }

  /** @param {Kpis} kpis */
  #showNotice(kpis) {
    const { locale } = this.#session;
    const days = (Date.parse(kpis.to) - Date.parse(kpis.from)) / 1000 / day;
    const notice = find(this.#root, '#kpis-notice', HTMLElement);
    const about = kpis.truncated ? locale.t(texts.kpisTruncated, { time: locale.dateTime(Date.parse(kpis.counted_until)) }) : days < usualSpan ? locale.t(texts.kpisShort) : '';
    notice.hidden = false;
    notice.classList.toggle('system-old', about !== '');
    setText(notice, [about, locale.t(texts.kpisAveraged, { time: locale.dateTime(Date.parse(kpis.averaged_until)) })].filter(Boolean).join(' '));
  }
}

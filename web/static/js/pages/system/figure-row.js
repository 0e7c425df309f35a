// @ts-check
import { find, setText } from '../../components/dom.js';
import { terms } from '../../locale/terms.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/system.js').System} System
 */

/** The five numbers that show the state of the system at a glance. */
export class FigureRow {
  #element;
  #session;

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   */
  constructor(element, session) {
    this.#element = element;
    this.#session = session;
  }

  /** @param {System} system */
  show(system) {
    this.#showRate(system.readings_per_second);
    this.#showLag(system.log);
    this.#showLatency(system.latency);
    this.#showArchive(system.archive);
    this.#showClients(system.clients);
  }

  /** @param {number} rate */
  #showRate(rate) {
    const { locale } = this.#session;
    this.#set('rate', locale.number(rate, rate < 10 ? 1 : 0), locale.t(terms.perMinute, { count: Math.round(rate * 60) }));
  }

  /** @param {System['log']} log */
  #showLag({ lag, problem, partitions }) {
    const { locale } = this.#session;
    if (lag === undefined) {
      this.#set('lag', locale.t(terms.unknown), locale.t(texts.noAnswer), problem);
      return;
    }
    const stopped = partitions.filter((partition) => partition.stopped).length;
    const detail = stopped > 0 ? locale.t(texts.lagStopped, { count: stopped }) : locale.t(texts.lagIn, { count: partitions.length });
    this.#set('lag', locale.number(lag), detail);
    this.#mark('lag', stopped > 0);
  }

  /** @param {System['latency']} latency */
  #showLatency(latency) {
    const { locale } = this.#session;
    if (!latency) this.#set('latency', locale.t(terms.unknown), locale.t(texts.latencyNone));
    else this.#set('latency', locale.milliseconds(latency.p50_ms), locale.t(terms.percentile95, { value: locale.milliseconds(latency.p95_ms) }));
  }

  /** @param {System['archive']} archive */
  #showArchive(archive) {
    const { locale } = this.#session;
    const delay = archive?.delay_seconds;
    if (!archive) this.#set('archive', locale.t(terms.unknown), locale.t(texts.archiveNone));
    else if (delay === undefined) this.#set('archive', locale.t(terms.unknown), locale.t(texts.noAnswer), archive.problem);
    else {
      const patience = archive.patience_seconds > 0 ? locale.t(texts.archivePatience, { time: locale.duration(archive.patience_seconds * 1000) }) : '';
      this.#set('archive', locale.duration(delay * 1000), locale.t(texts.archiveLag, { count: archive.lag ?? 0 }), patience);
    }
  }

  /** @param {System['clients']} clients */
  #showClients({ connected, limit, behind }) {
    const { locale } = this.#session;
    const most = limit > 0 ? locale.t(texts.clientLimit, { count: limit }) : '';
    this.#set('clients', locale.number(connected), behind > 0 ? locale.t(texts.clientsBehind, { count: behind }) : most);
  }

  /**
   * @param {string} name
   * @param {string} value
   * @param {string} detail
   * @param {string} [title] The detail in full.
   */
  #set(name, value, detail, title = '') {
    setText(this.#at(name), value);
    const element = this.#at(`${name}-detail`);
    setText(element, detail);
    element.title = title;
    this.#mark(name, false);
  }

  /**
   * Marks a figure as one that is not as it should be.
   *
   * @param {string} name
   * @param {boolean} abnormal
   */
  #mark(name, abnormal) {
    this.#at(name).closest('.kpi')?.classList.toggle('abnormal', abnormal);
  }

  /** @param {string} name */
  #at(name) {
    return find(this.#element, `[data-figure="${name}"]`, HTMLElement);
  }
}

// @ts-check
import { DeviceDrawer, loadDrawer } from '../../components/device/device-drawer.js';
import { texts as drawerTexts } from '../../components/device/texts.js';
import { find } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { AggregatedPanel } from './aggregated-panel.js';
import { AlertPanel } from './alert-panel.js';
import { KpiRow } from './kpi-row.js';
import { ReadingStream } from './reading-stream.js';
import { StatusPanel } from './status-panel.js';
import { texts } from './texts.js';

/** @typedef {import('../../app/session.js').Session} Session */

/** The minimum time between two drawings of what changes often, in milliseconds: nobody reads faster, and drawing costs time. */
const paces = { readings: 1000, windows: 1000, alerts: 300 };

/**
 * Shows the whole plant on one page.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const parts = await Promise.all([loadTemplate('./overview.html', import.meta.url, signal), loadDrawer(signal)]);
  if (signal.aborted) return;
  root.append(...parts);
  new Overview(root, session, signal).show();
}

/** The page's parts, and which of them is drawn when something changes. */
class Overview {
  #root;
  #session;
  #frames;
  #kpis;
  #aggregated;
  #status;
  #stream;
  #alerts;
  #drawer;
  /** How many buildings are offered to choose from. */
  #buildings = 0;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    /** @param {string} selector */
    const at = (selector) => find(root, selector, HTMLElement);
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#alerts = new AlertPanel(at('.panel-alerts'), session, signal);
    this.#kpis = new KpiRow(at('#kpis'), session, {
      onAlerts: (severity) => this.#alerts.lead(severity),
      onOffline: () => this.#stream.lead({ status: 'offline' }),
    }, signal);
    this.#aggregated = new AggregatedPanel(root, session, signal);
    this.#status = new StatusPanel(root, session, signal);
    this.#stream = new ReadingStream(root, session, signal);
    this.#drawer = new DeviceDrawer(root, session, at('#stream'), signal);
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { alerts, appearance, archive, clock, devices, pastAlerts, plant, status, windows } = this.#session;
    const frames = this.#frames;
    appearance.subscribe(() => this.show(), { signal });
    plant.subscribe(() => frames.request(this.show), { signal });
    windows.subscribe(({ cleared }) => {
      if (cleared) this.#aggregated.reload();
      else frames.request(this.#drawWindows, paces.windows);
    }, { signal });
    archive.subscribe(() => frames.request(this.#drawWindows, paces.windows), { signal });
    devices.subscribe(() => frames.request(this.#drawReadings, paces.readings), { signal });
    status.subscribe(() => frames.request(this.#drawStatus), { signal });
    for (const store of [alerts, pastAlerts]) store.subscribe(() => frames.request(this.#drawAlerts, paces.alerts), { signal });
    clock.subscribe(() => frames.request(this.#drawAges), { signal });
  }

  /** Draws everything, in the present language and theme. */
  show = () => {
    translate(this.#root, this.#session.locale, texts, drawerTexts);
    this.#aggregated.show();
    this.#status.show();
    this.#stream.show();
    this.#alerts.show();
    this.#drawer.show();
    this.#drawStatus();
  };

  #drawStatus = () => {
    this.#kpis.update();
    this.#status.update();
  };

  #drawWindows = () => this.#aggregated.update();

  #drawReadings = () => {
    const { size } = this.#session.devices.buildings;
    if (size !== this.#buildings) {
      this.#buildings = size;
      this.#stream.offerBuildings();
    }
    this.#stream.update();
    this.#drawer.update();
  };

  #drawAlerts = () => {
    this.#alerts.update();
    this.#drawStatus();
  };

  /** What changes with time alone. */
  #drawAges = () => {
    this.#drawAlerts();
    this.#aggregated.tick();
    this.#drawer.tick();
  };
}

// @ts-check
import { Locale } from '../locale/locale.js';
import { AlertStore } from '../model/alerts.js';
import { Connection } from '../model/connection.js';
import { addressedDevice } from '../model/device-link.js';
import { DeviceStore } from '../model/devices.js';
import { staleAfter } from '../model/freshness.js';
import { History } from '../model/history.js';
import { LatencyMeter } from '../model/latency.js';
import { Silence } from '../model/silence.js';
import { WindowStore } from '../model/windows.js';
import { AggregatedPanel } from '../pages/overview/aggregated-panel.js';
import { AlertPanel } from '../pages/overview/alert-panel.js';
import { Announcer } from './announcer.js';
import { CaughtUpNotice } from './caught-up-notice.js';
import { ConnectionBadge } from './connection-badge.js';
import { DeviceDrawer } from '../components/device/device-drawer.js';
import { find, setText } from '../components/dom.js';
import { Frames } from '../components/frames.js';
import { KpiRow } from '../pages/overview/kpi-row.js';
import { currentPalette } from '../components/palette.js';
import { Preferences } from './preferences.js';
import { ReadingStream } from '../pages/overview/reading-stream.js';
import { RefusedNotice } from './refused-notice.js';
import { Segmented } from '../components/segmented.js';
import { StaleBanner } from './stale-banner.js';
import { StatusPanel } from '../pages/overview/status-panel.js';
import { Surroundings } from './surroundings.js';
import { translatePage } from './translation.js';
import { UpdateNotice } from './update-notice.js';

/**
 * @typedef {import('../model/protocol.js').Message} Message
 * @typedef {import('../model/protocol.js').Hello} Hello
 * @typedef {import('../model/protocol.js').DeviceData} DeviceData
 * @typedef {import('../model/protocol.js').DeviceStatus} DeviceStatus
 * @typedef {import('../model/protocol.js').Alert} Alert
 */

/** How many alerts of the past are listed at the start. */
const pastAlerts = 100;

/** What comes often is drawn this often at most, in milliseconds: faster than this nobody reads, and the page would only be busy. */
const paces = { readings: 1000, windows: 1000, alerts: 300 };

/** The page: takes in what the server tells and has the elements that it concerns drawn. */
export class Dashboard {
  #preferences = new Preferences();
  #surroundings = new Surroundings(new Locale(this.#preferences.language));
  #devices = new DeviceStore();
  #alerts = new AlertStore();
  #windows = new WindowStore();
  #latency = new LatencyMeter();
  #history;
  #frames = new Frames();
  /** @type {DeviceStatus | null} */
  #status = null;
  #silence = new Silence();
  /** When the second was last counted, by the steady clock. */
  #ticked = performance.now();
  /** Whether the page has slept or lost its connection since the last message. */
  #interrupted = false;
  #buildings = 0;
  #elements;
  #connection;

  /** @param {{webSocketPath: string, root: string}} options Root leads from the page's address to the application's. */
  constructor({ webSocketPath, root }) {
    this.#history = new History(root);
    applyTheme(this.#preferences.theme);
    const palette = currentPalette();
    this.#elements = this.#build(palette);
    this.#connection = new Connection({
      location: new URL(root || '.', location.href),
      path: webSocketPath,
      onMessage: (message) => this.#take(message),
      onRefused: (reason) => this.#elements.refused.show(reason),
      onState: (state) => {
        this.#interrupted ||= state.phase === 'waiting';
        this.#elements.badge.show(state);
      },
    });
  }

  /** @param {import('../components/palette.js').Palette} palette */
  #build(palette) {
    const surroundings = this.#surroundings;
    const shared = { surroundings, palette, history: this.#history };
    /** @param {string} selector */
    const at = (selector) => find(document, selector, HTMLElement);
    return {
      badge: new ConnectionBadge(at('#connection'), surroundings, () => this.#connection.connect()),
      caughtUp: new CaughtUpNotice(at('#caught-up'), surroundings),
      notice: new UpdateNotice(at('#update-notice'), surroundings),
      refused: new RefusedNotice(at('#refused-notice'), surroundings),
      banner: new StaleBanner([
        { element: at('#stale-banner'), announcer: at('#stale-announcer') },
        { element: at('#drawer-stale'), announcer: at('#drawer-stale-announcer') },
      ], surroundings),
      kpis: new KpiRow(at('#kpis'), surroundings, (severity) => this.#elements.alerts.lead(severity)),
      aggregated: new AggregatedPanel(at('.panel-chart'), { ...shared, preferences: this.#preferences, windows: this.#windows }),
      status: new StatusPanel(at('.panel-status'), surroundings, palette, (change) => this.#elements.stream.toggle(change)),
      stream: new ReadingStream(at('.panel-stream'), surroundings, this.#devices, (filter) => this.#elements.status.mark(filter)),
      alerts: new AlertPanel(at('.panel-alerts'), surroundings, this.#alerts),
      announcer: new Announcer([at('#announcer'), at('#drawer-announcer')], surroundings),
      drawer: new DeviceDrawer(find(document, '#drawer', HTMLDialogElement), {
        ...shared,
        devices: this.#devices,
        alerts: this.#alerts,
        onClose: leaveDevice,
      }),
      language: new Segmented(at('#language'), (language) => this.#speak(language)),
      theme: new Segmented(at('#theme'), (theme) => this.#paint(theme)),
    };
  }

  /** Shows the page and connects. */
  start() {
    this.#elements.language.value = this.#preferences.language;
    this.#elements.theme.value = this.#preferences.theme;
    this.#show();
    this.#connection.connect();
    setInterval(() => this.#tick(), 1000);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#show());
    addEventListener('hashchange', () => this.#openAddressed());
    addEventListener('online', () => this.#connection.connect());
    document.addEventListener('visibilitychange', () => document.hidden || this.#wake());
    document.addEventListener('resume', () => this.#wake());
    addEventListener('pageshow', (event) => event.persisted && this.#wake());
    this.#openAddressed();
  }

  /** The page is looked at again, perhaps after hours: it says how old it is until the first message has come. */
  #wake() {
    this.#tick();
    this.#connection.connect();
  }

  #openAddressed() {
    this.#elements.drawer.open(addressedDevice(location.hash));
  }

  /** @param {string} language */
  #speak(language) {
    this.#preferences.language = language === 'zh' ? 'zh' : 'en';
    this.#surroundings.locale = new Locale(this.#preferences.language);
    this.#show();
  }

  /** @param {string} theme */
  #paint(theme) {
    this.#preferences.theme = theme === 'light' || theme === 'dark' ? theme : 'auto';
    applyTheme(this.#preferences.theme);
    this.#show();
  }

  /** Draws everything, in the present language and theme. */
  #show() {
    const { aggregated, status, stream, alerts, drawer, badge, notice } = this.#elements;
    const palette = currentPalette();
    translatePage(this.#surroundings.locale);
    badge.update();
    notice.show();
    this.#elements.refused.update();
    aggregated.show(palette);
    status.show(palette);
    stream.show();
    alerts.show();
    drawer.show(palette);
    this.#drawStatus();
    this.#tick();
  }

  /** What changes with time alone. */
  #tick() {
    const { badge, banner, announcer, caughtUp, drawer } = this.#elements;
    const now = performance.now();
    this.#interrupted ||= now - this.#ticked > staleAfter;
    this.#ticked = now;
    const clock = find(document, '#clock', HTMLTimeElement);
    // The server's time, which all others on the page are in too.
    setText(clock, this.#surroundings.locale.dateTime(this.#surroundings.now()));
    caughtUp.update();
    const stale = banner.update({
      silence: this.#silence.since(clocks()),
      empty: this.#status?.total_devices === 0,
      connected: this.#connection.state.phase === 'open',
    });
    badge.silent = stale;
    badge.update();
    announcer.update();
    // A hidden page is left alone until it is looked at.
    this.#frames.request(this.#drawAges);
    if (!document.hidden) drawer.tick();
  }

  /** @param {Message} message */
  #take(message) {
    const transit = this.#surroundings.clock.observe(Date.parse(message.timestamp), this.#surroundings.local());
    const now = clocks();
    const silence = this.#silence.since(now);
    this.#silence.hear(now);
    if (silence !== null && silence > staleAfter) this.#catchUp(silence);
    this.#interrupted = false;
    this.#dispatch(message, transit);
    if (silence === null || silence > 2000) this.#tick();
  }

  /**
   * Who has slept is told the newest of each device, not what was between: the archive has that. In a plant that has only been
   * quiet, nothing was old.
   *
   * @param {number} silence In milliseconds.
   */
  #catchUp(silence) {
    this.#outdate();
    if (this.#interrupted || performance.now() - this.#ticked > staleAfter) this.#elements.caughtUp.show(silence);
  }

  /**
   * @param {Message} message
   * @param {number} transit
   */
  #dispatch(message, transit) {
    switch (message.type) {
      case 'hello':
        return this.#greet(message);
      case 'aggregated_data':
        this.#windows.apply(message);
        // The length of windows may change while the page is open.
        if (!message.final) this.#surroundings.windowSeconds = message.window_seconds;
        if (message.corrected && !message.snapshot) this.#outdate();
        return this.#frames.request(this.#drawWindows, paces.windows);
      case 'history_changed':
        this.#outdate();
        return this.#frames.request(this.#drawWindows, paces.windows);
      case 'device_data':
        return this.#takeDevices(message, transit);
      case 'device_status':
        this.#status = message;
        this.#elements.stream.add(this.#devices.applyChanges(message.changed));
        return this.#frames.request(this.#drawStatus);
      case 'device_removed':
        return this.#removeDevices(new Set(message.device_ids));
      case 'alert':
        return this.#takeAlerts(message.alerts, message.snapshot === true);
      case 'error':
        console.warn(`server: ${message.code}: ${message.message}`);
    }
  }

  /** What was asked of the archive is no longer all that it has. */
  #outdate() {
    this.#elements.aggregated.outdate();
    this.#elements.drawer.outdate();
  }

  /** @param {Hello} hello */
  #greet(hello) {
    this.#elements.notice.compare(hello.server_version);
    this.#surroundings.windowSeconds = hello.window_seconds;
    this.#surroundings.specs = new Map(hello.device_types.map((spec) => [spec.name, spec]));
    this.#surroundings.rules = hello.alert_rules ?? [];
    if (hello.resumed) return;
    // Another run of the server: what follows is all there is.
    this.#surroundings.clock.reset();
    this.#surroundings.clock.observe(Date.parse(hello.timestamp), this.#surroundings.local());
    this.#latency.reset();
    this.#devices.clear();
    this.#buildings = 0;
    this.#alerts.clearOpen();
    this.#windows.clear();
    this.#elements.stream.restart();
    this.#show();
    void this.#elements.aggregated.reload();
    void this.#loadAlerts();
  }

  /** Lists what was cleared before the page came; the open ones are told by the server's messages. */
  async #loadAlerts() {
    try {
      const past = await this.#history.alerts(pastAlerts);
      this.#alerts.apply(past.filter(({ state, historical }) => state === 'cleared' && !historical));
    } catch {
      // The list begins with the present until the next connection.
    }
    this.#frames.request(this.#drawAlerts, paces.alerts);
  }

  /**
   * @param {DeviceData} message
   * @param {number} transit
   */
  #takeDevices(message, transit) {
    const news = this.#devices.apply(message.devices);
    if (!message.snapshot) {
      const sent = Date.parse(message.timestamp);
      for (const device of news) {
        if (device.status === 'online' && !device.historical) this.#latency.add(sent - Date.parse(device.timestamp) + transit);
      }
    }
    this.#elements.stream.add(news);
    this.#frames.request(this.#drawReadings, paces.readings);
  }

  /** @param {Set<string>} ids */
  #removeDevices(ids) {
    this.#devices.remove(ids);
    this.#alerts.removeOf(ids);
    this.#elements.stream.remove(ids);
    this.#elements.drawer.remove(ids);
    this.#frames.request(this.#drawAlerts, paces.alerts);
  }

  /**
   * @param {Alert[]} alerts
   * @param {boolean} snapshot
   */
  #takeAlerts(alerts, snapshot) {
    const news = this.#alerts.apply(alerts);
    if (!snapshot) this.#elements.announcer.add(news);
    this.#frames.request(this.#drawAlerts, paces.alerts);
  }

  #drawStatus = () => {
    this.#elements.kpis.update(this.#status, this.#alerts, this.#latency);
    this.#elements.status.update(this.#status);
  };

  #drawWindows = () => this.#elements.aggregated.update();

  #drawReadings = () => {
    const { stream, drawer } = this.#elements;
    if (this.#devices.buildings.size !== this.#buildings) {
      this.#buildings = this.#devices.buildings.size;
      stream.offerBuildings();
    }
    stream.update();
    drawer.update();
  };

  #drawAlerts = () => {
    this.#elements.alerts.update();
    this.#drawStatus();
  };

  #drawAges = () => {
    this.#elements.alerts.update();
    this.#drawStatus();
  };
}

/** Both clocks of the browser. */
function clocks() {
  return { wall: Date.now(), steady: performance.now() };
}

/** @param {import('./preferences.js').Theme} theme */
function applyTheme(theme) {
  const { dataset } = document.documentElement;
  if (theme === 'auto') delete dataset['theme'];
  else dataset['theme'] = theme;
}

/** Takes the device out of the page's address; going back opens it again. */
function leaveDevice() {
  if (addressedDevice(location.hash) !== null) history.pushState(null, '', location.pathname + location.search);
}

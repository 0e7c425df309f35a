// @ts-check
import { terms } from '../locale/terms.js';
import { visible } from '../locale/visible.js';
import { AlertStore, comparesNothing, comparesValue } from '../model/alerts.js';
import { ArchiveStore } from '../model/archive.js';
import { Connection } from '../model/connection.js';
import { DeviceStore } from '../model/devices.js';
import { shownAlert, shownSpec } from '../model/display.js';
import { Freshness, staleAfter } from '../model/freshness.js';
import { History } from '../model/history.js';
import { HistoryRequest } from '../model/history-request.js';
import { LatencyMeter } from '../model/latency.js';
import { PlantStore } from '../model/plant.js';
import { localTime, ServerClock } from '../model/server-clock.js';
import { StatusStore } from '../model/status.js';
import { Unsaved } from '../model/unsaved.js';
import { WindowStore } from '../model/windows.js';

/**
 * @typedef {import('../model/protocol.js').Message} Message
 * @typedef {import('../model/protocol.js').Alert} Alert
 * @typedef {import('../model/protocol.js').Hello} Hello
 * @typedef {import('../model/protocol.js').DeviceData} DeviceData
 * @typedef {import('../model/silence.js').Reading} Clocks
 */

/** How many alerts of the past are listed at the start. */
const pastAlerts = 100;

/** How many alerts that have cleared without being acknowledged are loaded at the start. */
const returnedAlerts = 5000;

/** How often they are asked for, in milliseconds: the archive is behind what is live when the page is opened. */
const returnedPeriod = 60_000;

/** Over how long the pages spread their questions after other rules have come into force, in milliseconds. */
const rulesSpread = 500;

/**
 * What outlives every page: the one connection, the stores that its messages fill, and what the reader has chosen. Pages follow
 * the stores and draw what they hold. It never touches the page.
 */
export class Session {
  plant = new PlantStore();
  devices = new DeviceStore();
  alerts = new AlertStore();
  windows = new WindowStore();
  status = new StatusStore();
  latency = new LatencyMeter();
  archive = new ArchiveStore();
  /** What the page holds that is not saved. */
  unsaved = new Unsaved();
  /** The alerts that were cleared before the page was opened; the open ones come with the server's messages. */
  pastAlerts;
  /** Those of them that nobody has acknowledged. */
  returnedAlerts;
  /** The server's time, in which everything on the page is shown. */
  clock;
  freshness;
  connection;
  history;
  appearance;
  preferences;
  address;
  #root;
  #local;
  #clocks;
  #stopping = new AbortController();

  /**
   * @param {object} options
   * @param {URL} options.root The application's address.
   * @param {string} options.webSocketPath
   * @param {import('./preferences.js').Preferences} options.preferences
   * @param {import('./appearance.js').Appearance} options.appearance
   * @param {import('./address.js').Address} options.address
   * @param {typeof fetch} [options.fetch]
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {() => Clocks} [options.clocks]
   * @param {() => number} [options.local] This browser's time, by a clock that nobody can set.
   */
  constructor({ root, webSocketPath, preferences, appearance, address, clocks = bothClocks, local = localTime, ...environment }) {
    this.preferences = preferences;
    this.appearance = appearance;
    this.address = address;
    this.#root = root;
    this.#clocks = clocks;
    this.#local = local;
    this.clock = new ServerClock(local);
    this.freshness = new Freshness(clocks());
    const fetcher = environment.fetch ?? ((/** @type {Parameters<typeof fetch>} */ ...request) => fetch(...request));
    this.history = new History(root.href, fetcher);
    this.connection = new Connection({
      location: root,
      path: webSocketPath,
      fetch: fetcher,
      local,
      onMessage: (message) => this.#receive(message),
      ...(environment.WebSocket && { WebSocket: environment.WebSocket }),
    });
    const { signal } = this.#stopping;
    this.connection.subscribe(() => {
      if (this.connection.state.phase === 'waiting') this.freshness.interrupt();
    }, { signal });
    this.pastAlerts = this.ask(
      (asking) => this.history.alerts(pastAlerts, asking),
      (past) => this.alerts.apply(past.filter(({ state, historical }) => state === 'cleared' && !historical), { snapshot: true }),
      signal,
    );
    this.returnedAlerts = this.ask((asking) => this.history.returnedAlerts(returnedAlerts, asking), (past) => this.alerts.applyReturned(past, { whole: past.length < returnedAlerts }), signal);
  }

  /**
   * Returns a question about the past; load asks it. After a failure it is asked again by itself, and at once when the connection
   * is back.
   *
   * @template Answer
   * @param {(signal: AbortSignal) => Promise<Answer>} question
   * @param {(answer: Answer) => void} apply
   * @param {AbortSignal} signal
   */
  ask(question, apply, signal) {
    const connected = () => this.connection.state.phase === 'open';
    const request = new HistoryRequest(question, apply, { connected, now: () => this.#clocks().steady }, signal);
    this.connection.subscribe(() => request.retry({ atOnce: true }), { signal });
    this.clock.subscribe(() => request.retry(), { signal });
    return request;
  }

  /** Says everything in the reader's language. */
  get locale() {
    return this.appearance.locale;
  }

  /**
   * The whole address of what is at a path below the application's root.
   *
   * @param {string} path
   */
  href(path) {
    return new URL(path, this.#root).href;
  }

  /**
   * The name of a device type in the reader's language.
   *
   * @param {string} type
   */
  typeName(type) {
    return this.locale.typeName(type, this.plant.specs.get(type));
  }

  /**
   * What an alert is about, in the reader's language.
   *
   * @param {Alert} alert
   * @param {import('../model/display.js').Display} [display] As its device's values are shown.
   */
  alertWords(alert, display) {
    const { locale } = this;
    if (comparesNothing(alert.alert_type) || comparesValue(alert)) {
      return locale.alertWords(shownAlert(alert, display), shownSpec(this.plant.specs.get(alert.device_type), display));
    }
    const words = locale.language === 'en' ? alert.message_en : alert.message;
    // An archived alert of an older server.
    return words ? visible(words) : locale.t(terms.alertOfRule, { rule: visible(alert.alert_type), value: this.alertValue(alert, display) });
  }

  /**
   * An alert's value: as those of its device or, if it is no such value, with the alert's own unit.
   *
   * @param {Alert} alert
   * @param {import('../model/display.js').Display} [display] As its device's values are shown.
   */
  alertValue(alert, display) {
    const { of, display: shown } = this.#judged(alert, alert.current_value, display);
    return this.locale.alertValue(alert, of, shown);
  }

  /**
   * An alert's threshold: nothing where its rule compares nothing.
   *
   * @param {Alert} alert
   */
  alertThreshold(alert) {
    return comparesNothing(alert.alert_type) ? '' : this.locale.threshold(alert, this.#judged(alert, alert.threshold).of);
  }

  /**
   * How a number of an alert is written: as values of its type, or with the alert's own unit if it is none.
   *
   * @param {Alert} alert
   * @param {number} number
   * @param {import('../model/display.js').Display} [display]
   * @returns {{of: import('../model/protocol.js').TypeSpec | undefined, display?: import('../model/display.js').Display}}
   */
  #judged(alert, number, display) {
    const { device_type: name, unit = '' } = alert;
    const of = this.plant.specs.get(name);
    if (of && (comparesValue(alert) || (of.unit !== '' && of.unit === unit))) return { of, ...(display && { display }) };
    return { of: { name, unit, decimals: Number.isInteger(number) ? 0 : 2, min: -Infinity, max: Infinity, labels: {} } };
  }

  /**
   * Has a question asked again soon after other alert rules have come into force, but not by all pages at the same moment.
   *
   * @param {HistoryRequest<any>} request
   * @param {AbortSignal} signal
   */
  followRules(request, signal) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    this.plant.subscribe(({ rules }) => {
      if (!rules) return;
      clearTimeout(timer);
      timer = setTimeout(() => request.refresh(), Math.random() * rulesSpread);
    }, { signal });
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  /** Connects, and counts the seconds. */
  start() {
    this.connection.connect();
    const timer = setInterval(() => this.#tick(), 1000);
    this.#stopping.signal.addEventListener('abort', () => clearInterval(timer));
    this.#tick();
  }

  /** Ends the connection for good. */
  end() {
    this.#stopping.abort();
    this.connection.close();
  }

  /** The page is looked at again, perhaps after hours: it says how old it is until the first message has come. */
  wake() {
    this.#tick();
    this.connection.connect();
  }

  /** What changes with time alone. */
  #tick() {
    this.freshness.tick(this.#clocks(), { empty: this.status.latest?.total_devices === 0 });
    this.clock.tick();
    this.returnedAlerts.renew(returnedPeriod);
  }

  /** @param {Message} message */
  #receive(message) {
    const transit = this.clock.observe(Date.parse(message.timestamp), this.#local());
    const silence = this.freshness.received(this.#clocks());
    // After a sleep the server sends the newest reading of each device, not those between: the archive has them.
    if (silence !== null && silence > staleAfter) this.archive.outdate();
    this.#dispatch(message, transit);
    if (silence === null || silence > 2000) this.#tick();
  }

  /**
   * @param {Message} message
   * @param {number} transit How long the message was on its way beyond the fastest one, in milliseconds.
   */
  #dispatch(message, transit) {
    switch (message.type) {
      case 'hello':
        return this.#greet(message);
      case 'aggregated_data':
        this.windows.apply(message);
        // The length of windows may change while the page is open.
        if (!message.final) this.plant.windowSeconds = message.window_seconds;
        if (message.corrected && !message.snapshot) this.archive.outdate();
        return;
      case 'device_types':
        return this.plant.applyTypes(message.device_types);
      case 'alert_rules':
        return this.plant.applyRules(message.alert_rules);
      case 'history_changed':
        return this.archive.outdate();
      case 'device_data':
        return this.#receiveDevices(message, transit);
      case 'device_status':
        this.devices.applyChanges(message.changed);
        return this.status.apply(message);
      case 'device_removed':
        return this.#removeDevices(new Set(message.device_ids));
      case 'alert':
        this.alerts.apply(message.alerts, { snapshot: message.snapshot === true });
        return;
      case 'error':
        console.warn(`server: ${message.code}: ${message.message}`);
    }
  }

  /** @param {Hello} hello */
  #greet(hello) {
    if (!hello.resumed) {
      // The server was restarted: a whole snapshot follows.
      this.clock.reset();
      this.clock.observe(Date.parse(hello.timestamp), this.#local());
      this.latency.reset();
    }
    this.plant.apply(hello);
    if (hello.resumed) return;
    this.devices.clear();
    this.alerts.clearOpen();
    this.windows.clear();
    this.pastAlerts.load();
    this.returnedAlerts.load();
    this.returnedAlerts.outdate();
  }

  /**
   * @param {DeviceData} message
   * @param {number} transit
   */
  #receiveDevices(message, transit) {
    const news = this.devices.apply(message.devices);
    if (message.snapshot) return;
    const sent = Date.parse(message.timestamp);
    const live = news.filter(({ status, historical }) => status === 'online' && !historical);
    if (live.length > 0) this.latency.add(live.map(({ timestamp }) => sent - Date.parse(timestamp) + transit));
  }

  /** @param {Set<string>} ids */
  #removeDevices(ids) {
    this.devices.remove(ids);
    this.alerts.removeOf(ids);
  }
}

/** Both clocks of the browser. */
function bothClocks() {
  return { wall: Date.now(), steady: performance.now() };
}

// @ts-check
import { AlertList } from '../../../components/alert-list.js';
import { DeviceFacts } from '../../../components/device/device-facts.js';
import { DeviceHistory, withHistory } from '../../../components/device/device-history.js';
import { texts as deviceTexts } from '../../../components/device/texts.js';
import { find, icon, setText, textElement } from '../../../components/dom.js';
import { Frames } from '../../../components/frames.js';
import { DeviceMaintenance } from '../../../components/maintenance/device-maintenance.js';
import { loadTemplate } from '../../../components/template.js';
import { translate } from '../../../components/translation.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { decodedId, deviceAddress } from '../../../model/device-link.js';
import { withReading } from '../../../model/devices.js';
import { EntryPanel } from './entry-panel.js';
import { ForgetDialog } from './forget-dialog.js';
import { PastAlerts } from './past-alerts.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/protocol.js').Device} Device
 * @typedef {import('../../../model/history.js').DeviceDetail} DeviceDetail
 * @typedef {import('../../../app/session.js').Session} Session
 */

/** How often the server is asked what it knows, in milliseconds; readings come by messages. */
const period = 5000;

/** The least time between two drawings, in milliseconds. */
const pace = 300;

/**
 * Shows everything about one device, and lets people change what is decided about it.
 *
 * @type {import('../../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await withHistory(loadTemplate('./device.html', import.meta.url, signal), signal);
  if (signal.aborted) return;
  root.append(content);
  new DevicePage(root, session, signal).start();
}

/** The page's parts, and which of them is drawn when something changes. */
class DevicePage {
  #root;
  #session;
  #frames;
  /** The id that the address names. */
  #id;
  #request;
  #facts;
  #history;
  #alerts;
  #past;
  #entry;
  #forget;
  #maintenance;
  /** @type {DeviceDetail | null} */
  #detail = null;
  /** What the chart has been given last. @type {Device | null} */
  #shown = null;
  #forgotten = false;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    /** @param {string} selector */
    const at = (selector) => find(root, selector, HTMLElement);
    const { path } = session.address;
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    // What is no id at all is shown as it is written.
    this.#id = decodedId(path) ?? path.slice(path.lastIndexOf('/') + 1);
    this.#request = session.ask((asking) => session.history.device(this.#id, asking), (detail) => this.#apply(detail), signal);
    this.#facts = new DeviceFacts(at('.facts'), session);
    this.#history = new DeviceHistory(at('#device-history'), session, signal);
    this.#alerts = new AlertList(at('#device-open-alerts'), at('#device-no-alerts'), session);
    this.#past = new PastAlerts(root, session, this.#id, signal);
    this.#forget = new ForgetDialog(find(root, '#forget', HTMLDialogElement), session, { id: this.#id, onForgotten: () => this.#leave() }, signal);
    this.#entry = new EntryPanel(at('#entry'), session, { id: this.#id, onOutdated: () => this.#request.load(), onForget: () => this.#forget.open() }, signal);
    this.#maintenance = new DeviceMaintenance(at('#device-maintenance'), find(root, '#maintain', HTMLDialogElement), session, this.#id, signal);
    at('#device-problem button').addEventListener('click', () => this.#request.load(), { signal });
    session.followRules(this.#request, signal);
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { alerts, appearance, clock, devices, plant } = this.#session;
    const draw = () => this.#frames.request(this.#draw, pace);
    appearance.subscribe(() => this.#show(), { signal });
    plant.subscribe(() => this.#frames.request(this.#show), { signal });
    for (const store of [alerts, this.#request]) store.subscribe(draw, { signal });
    devices.subscribe(({ removed }) => {
      if (removed?.has(this.#id)) this.#leave();
      else draw();
    }, { signal });
    clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
      this.#history.update();
      draw();
    }, { signal });
  }

  start() {
    const session = this.#session;
    find(this.#root, '#device-list-link', HTMLAnchorElement).href = session.href('devices');
    find(this.#root, '#device-overview-link', HTMLAnchorElement).href = session.href(`overview${deviceAddress(this.#id)}`);
    this.#show();
    this.#request.load();
    this.#past.start();
    this.#maintenance.start();
  }

  /** @param {DeviceDetail} detail */
  #apply(detail) {
    this.#forgotten = false;
    this.#detail = detail;
    this.#entry.take(detail);
  }

  /** The device is no more. */
  #leave() {
    this.#forgotten = true;
    this.#detail = null;
    this.#shown = null;
    this.#history.close();
    this.#draw();
  }

  /** What is known of the device, by the newest message or the last answer. */
  get #device() {
    if (this.#forgotten) return null;
    return this.#session.devices.get(this.#id) ?? (this.#detail && withReading(this.#detail));
  }

  /** Shows everything, in the present language and theme. */
  #show = () => {
    translate(this.#root, this.#session.locale, texts);
    this.#alerts.forget();
    this.#past.show();
    this.#entry.show();
    this.#forget.show();
    this.#maintenance.show();
    this.#draw();
    this.#history.show();
  };

  #draw = () => {
    const device = this.#device;
    setText(this.#at('#device-title'), visible(this.#id));
    for (const part of this.#root.querySelectorAll('[data-part]')) {
      const { dataset } = /** @type {HTMLElement} */ (part);
      /** @type {HTMLElement} */ (part).hidden = dataset['part'] === 'known' ? !device : !device && !this.#detail;
    }
    this.#showProblem(device ? '' : this.#problem);
    this.#showPlace(device);
    if (!device) return;
    this.#showNow(device);
    const alerts = this.#session.alerts.openOf(this.#id);
    this.#alerts.display = this.#detail?.display;
    this.#past.display = this.#detail?.display;
    this.#alerts.show(alerts);
    this.#facts.show(device, this.#detail);
    this.#history.detail = this.#detail;
    this.#entry.type = device.device_type;
    if (!this.#shown) this.#history.open(device, alerts);
    else if (device !== this.#shown) this.#history.add(device, alerts);
    this.#shown = device;
  };

  /** Why there is no reading to show; empty while it is being loaded. */
  get #problem() {
    const { locale } = this.#session;
    const { phase, reason, status } = this.#request;
    const id = visible(this.#id);
    if (this.#forgotten) return locale.t(deviceTexts.deviceForgotten, { id });
    if (phase === 'loaded') return locale.t(deviceTexts.deviceNeverSent, { id });
    if (phase !== 'failed') return '';
    return status === 404 ? locale.t(deviceTexts.deviceUnknown, { id }) : locale.t(deviceTexts.deviceFailed, { reason: reason || locale.t(terms.disconnected) });
  }

  /** @param {string} problem */
  #showProblem(problem) {
    const element = this.#at('#device-problem');
    element.hidden = !problem;
    setText(find(element, 'p', HTMLElement), problem);
    find(element, 'button', HTMLButtonElement).hidden = this.#request.phase !== 'failed' || this.#request.status === 404;
  }

  /** @param {Device | null} device */
  #showPlace(device) {
    const { locale } = this.#session;
    const { area, registered } = this.#detail ?? {};
    const words = [
      visible(registered?.name ?? ''), device ? this.#session.typeName(device.device_type) : '', area ? visible(area) : locale.place(device?.location),
      registered?.parent ? locale.t(texts.deviceBehind, { parent: visible(registered.parent) }) : '', registered?.retired ? locale.t(texts.deviceRetired) : '',
    ];
    setText(this.#at('#device-place'), words.filter(Boolean).join(' · '));
  }

  /** @param {Device} device */
  #showNow(device) {
    const { locale, plant: { specs } } = this.#session;
    const remark = locale.remark(device);
    const words = locale.reading(device.value, specs.get(device.device_type), this.#detail?.display);
    const value = this.#at('#device-value');
    setText(value, remark ? `${words} (${remark})` : words);
    value.classList.toggle('doubtful', remark !== '');
    this.#at('#device-status').replaceChildren(icon(device.status, `status-${device.status}`), textElement('span', locale.t(terms[device.status])));
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}

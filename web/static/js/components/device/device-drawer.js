// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { devicePath } from '../../model/device-link.js';
import { withReading } from '../../model/devices.js';
import { AlertList } from '../alert-list.js';
import { Announcer } from '../announcer.js';
import { ConnectionBadge } from '../connection-badge.js';
import { find, icon, setText, textElement } from '../dom.js';
import { StaleBanner } from '../stale-banner.js';
import { loadTemplate } from '../template.js';
import { DeviceFacts } from './device-facts.js';
import { DeviceHistory, withHistory } from './device-history.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../../app/session.js').Session} Session
 */

/** How often the server is asked what it knows, in milliseconds; readings come by messages. */
const period = 5000;

/**
 * Loads what the drawer is made of.
 *
 * @param {AbortSignal} signal
 */
export function loadDrawer(signal) {
  return withHistory(loadTemplate('./device-drawer.html', import.meta.url, signal), signal);
}

/**
 * Everything about the device that the address names, beside the rest of the page. It is a modal dialog: the browser keeps the
 * keyboard inside and closes it on Escape. As it hides the rest of the page, also from screen readers, it repeats the page's notices.
 */
export class DeviceDrawer {
  #root;
  #dialog;
  #session;
  #facts;
  #history;
  #alerts;
  #request;
  #badge;
  #signal;
  #home;
  /** @type {string | null} */
  #id = null;
  /** @type {Device | null} What the chart has been given last. */
  #shown = null;
  /** @type {Device | null} What the server answered, until a message brings newer data. */
  #answered = null;
  /** All that it has answered, with the device's thresholds, unit and name. @type {import('../../model/history.js').DeviceDetail | null} */
  #detail = null;
  /** Whether the server has forgotten the device while it was shown. */
  #forgotten = false;
  /** What had the focus when the drawer was opened. @type {HTMLElement | null} */
  #opener = null;
  /** What it led to: the rows of a list go on behind the drawer. */
  #link = '';

  /**
   * @param {HTMLElement} root Where the dialog is.
   * @param {Session} session
   * @param {HTMLElement} home Where the keyboard goes when what opened the drawer is gone.
   * @param {AbortSignal} signal
   */
  constructor(root, session, home, signal) {
    const dialog = find(root, '#drawer', HTMLDialogElement);
    this.#root = root;
    this.#dialog = dialog;
    this.#session = session;
    this.#signal = signal;
    this.#home = home;
    this.#facts = new DeviceFacts(find(dialog, '.facts', HTMLElement), session);
    this.#history = new DeviceHistory(find(dialog, '#device-history', HTMLElement), session, signal);
    this.#alerts = new AlertList(find(dialog, '.drawer-alerts', HTMLElement), find(dialog, '.empty', HTMLElement), session);
    this.#request = session.ask((asking) => session.history.device(this.#id ?? '', asking), (device) => this.#take(device), signal);
    this.#request.subscribe(() => this.update(), { signal });
    session.followRules(this.#request, signal);
    this.#badge = new ConnectionBadge(find(dialog, '#drawer-connection', HTMLElement), session, signal);
    new StaleBanner(find(dialog, '#drawer-stale', HTMLElement), find(dialog, '#drawer-stale-announcer', HTMLElement), session, signal);
    new Announcer(find(dialog, '#drawer-announcer', HTMLElement), session, signal);
    this.#listen();
    this.#follow();
  }

  #listen() {
    const dialog = this.#dialog;
    const signal = this.#signal;
    find(dialog, '.drawer-close', HTMLButtonElement).addEventListener('click', () => dialog.close(), { signal });
    find(dialog, '.drawer-problem button', HTMLButtonElement).addEventListener('click', () => this.#request.load(), { signal });
    // The dialog itself is covered by what it holds: only its backdrop can be clicked.
    dialog.addEventListener('click', (event) => event.target === dialog && dialog.close(), { signal });
    dialog.addEventListener('close', () => {
      if (dialog.open) return; // The event comes later than it closes; the address may have opened it again meanwhile.
      this.#leave();
      // Going back opens it again.
      if (this.#addressed !== null) this.#session.address.push({ device: '' });
      this.#restoreFocus();
    }, { signal });
  }

  #follow() {
    const { address, devices } = this.#session;
    const signal = this.#signal;
    address.subscribe(() => this.#open(), { signal });
    devices.subscribe(({ removed }) => removed && this.#remove(removed), { signal });
  }

  /** The device that the address names. */
  get #addressed() {
    return this.#session.address.get('device') || null;
  }

  /** The keyboard goes back to where the drawer was opened; the row it was opened from may be gone. */
  #restoreFocus() {
    const opener = this.#opener;
    const links = [...this.#root.querySelectorAll('a')].filter((link) => link.getAttribute('href') === this.#link);
    const same = this.#link && opener?.getAttribute('href') !== this.#link ? links[0] : opener;
    if (same?.isConnected) same.focus();
    // An element that is no longer shown keeps the focus until the next frame.
    const focused = document.activeElement;
    if (focused === null || focused === document.body || this.#dialog.contains(focused)) this.#home.focus();
  }

  /** @param {import('../../model/history.js').DeviceDetail} detail */
  #take(detail) {
    this.#answered = withReading(detail);
    this.#detail = detail;
  }

  /** Shows the device that the address names, or closes. */
  #open() {
    const id = this.#addressed;
    if (id === this.#id && (id === null || this.#dialog.open)) return;
    this.#leave();
    if (id === null) {
      this.#dialog.close();
      return;
    }
    this.#id = id;
    if (!this.#dialog.open) {
      const from = document.activeElement;
      this.#opener = from instanceof HTMLElement && from !== document.body ? from : null;
      this.#link = from?.getAttribute('href') ?? '';
      this.#dialog.showModal();
    }
    this.#dialog.scrollTop = 0;
    find(this.#dialog, '#drawer-title', HTMLElement).focus();
    // No message about the device may have come yet, or the device does not exist.
    this.#request.load();
  }

  #leave() {
    this.#request.cancel();
    this.#history.close();
    this.#id = null;
    this.#shown = null;
    this.#answered = null;
    this.#detail = null;
    this.#forgotten = false;
  }

  /** @param {Set<string>} devices Those that are no more. */
  #remove(devices) {
    const id = this.#id;
    if (id === null || !devices.has(id)) return;
    this.#answered = null;
    this.#shown = null;
    this.#history.close();
    this.#forgotten = true;
    this.update();
  }

  /** Shows the device as it is now. */
  update() {
    const id = this.#id;
    if (id === null) return;
    const device = this.#session.devices.get(id) ?? this.#answered;
    this.#showProblem(device ? '' : this.#problem(id));
    setText(find(this.#dialog, '#drawer-title', HTMLElement), visible(id));
    find(this.#dialog, '.drawer-page', HTMLAnchorElement).href = this.#session.href(devicePath(id));
    find(this.#dialog, '.drawer-content', HTMLElement).hidden = !device;
    if (device) this.#showDevice(device);
  }

  /**
   * Says why there is nothing to show; an empty text while it is being loaded.
   *
   * @param {string} id
   */
  #problem(id) {
    const { locale } = this.#session;
    const { phase, reason, status } = this.#request;
    if (this.#forgotten) return locale.t(texts.deviceForgotten, { id: visible(id) });
    if (phase === 'loaded') return locale.t(texts.deviceNeverSent, { id: visible(id) });
    if (phase !== 'failed') return '';
    return status === 404 ? locale.t(texts.deviceUnknown, { id: visible(id) }) : locale.t(texts.deviceFailed, { reason: reason || locale.t(terms.disconnected) });
  }

  /** @param {string} problem */
  #showProblem(problem) {
    const element = find(this.#dialog, '.drawer-problem', HTMLElement);
    element.hidden = !problem;
    setText(find(element, 'p', HTMLElement), problem);
    find(element, 'button', HTMLButtonElement).hidden = this.#forgotten || this.#request.phase !== 'failed' || this.#request.status === 404;
  }

  /** @param {Device} device */
  #showDevice(device) {
    const { locale, plant: { specs } } = this.#session;
    const alerts = this.#session.alerts.openOf(device.device_id);
    const { area, registered } = this.#detail ?? {};
    const place = [visible(registered?.name ?? ''), this.#session.typeName(device.device_type), area ? visible(area) : locale.place(device.location)];
    setText(find(this.#dialog, '.drawer-place', HTMLElement), place.filter(Boolean).join(locale.t(terms.listSeparator)));
    const value = find(this.#dialog, '.drawer-value', HTMLElement);
    const remark = locale.remark(device);
    const words = locale.reading(device.value, specs.get(device.device_type), this.#detail?.display);
    setText(value, remark ? `${words} (${remark})` : words);
    value.classList.toggle('doubtful', remark !== '');
    const status = find(this.#dialog, '.drawer-status', HTMLElement);
    status.replaceChildren(icon(device.status, `status-${device.status}`), textElement('span', locale.t(terms[device.status])));
    this.#facts.show(device, this.#detail);
    this.#history.detail = this.#detail;
    this.#alerts.display = this.#detail?.display;
    this.#alerts.show(alerts);
    if (!this.#shown) this.#history.open(device, alerts);
    else if (device !== this.#shown) this.#history.add(device, alerts);
    this.#shown = device;
  }

  /** Moves ages and the chart's end on; to be called every second. */
  tick() {
    if (this.#id === null) return;
    if (!document.hidden && !this.#forgotten) this.#request.renew(period);
    this.update();
    this.#history.update();
  }

  /** Everything in another language or theme. */
  show() {
    this.#open();
    this.#alerts.forget();
    this.#badge.update();
    this.update();
    this.#history.show();
  }
}

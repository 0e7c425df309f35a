// @ts-check
import { HistoryError } from '../../model/history.js';
import { AlertList } from '../alert-list.js';
import { DeviceFacts } from './device-facts.js';
import { DeviceHistory } from './device-history.js';
import { find, icon, setText, textElement, visible } from '../dom.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../palette.js').Palette} Palette
 *
 * @typedef {object} DeviceDrawerOptions
 * @property {import('../../app/surroundings.js').Surroundings} surroundings
 * @property {import('../../model/devices.js').DeviceStore} devices
 * @property {import('../../model/alerts.js').AlertStore} alerts
 * @property {import('../../model/history.js').History} history
 * @property {Palette} palette
 * @property {() => void} onClose
 */

/**
 * Everything about one device, beside the rest of the page. It is a modal dialog: the browser keeps the keyboard inside and
 * closes it on Escape.
 */
export class DeviceDrawer {
  #dialog;
  #options;
  #facts;
  #chart;
  #alerts;
  /** @type {string | null} */
  #id = null;
  /** @type {Device | null} What the chart has been given last. */
  #shown = null;
  /** @type {Device | null} What the server answered, for as long as no message tells newer. */
  #answered = null;
  #problem = '';
  /** What had the focus when the drawer was opened. @type {HTMLElement | null} */
  #opener = null;
  #loading = new AbortController();

  /**
   * @param {HTMLDialogElement} dialog
   * @param {DeviceDrawerOptions} options
   */
  constructor(dialog, options) {
    const { surroundings, history, palette, onClose } = options;
    this.#dialog = dialog;
    this.#options = options;
    this.#facts = new DeviceFacts(find(dialog, '.facts', HTMLElement), surroundings);
    this.#chart = new DeviceHistory(dialog, surroundings, history, palette);
    this.#alerts = new AlertList(find(dialog, '.drawer-alerts', HTMLElement), find(dialog, '.empty', HTMLElement), surroundings);
    find(dialog, '.drawer-close', HTMLButtonElement).addEventListener('click', () => dialog.close());
    // The dialog itself is covered by what it holds: only its backdrop can be clicked.
    dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
    dialog.addEventListener('close', () => {
      this.#leave();
      onClose();
      this.#restoreFocus();
    });
  }

  /** The keyboard goes back to where the drawer was opened; the row it was opened from may be gone, and then to the list. */
  #restoreFocus() {
    const opener = this.#opener;
    if (opener?.isConnected) opener.focus();
    // What is no longer shown keeps the focus until the next frame.
    const focused = document.activeElement;
    if (focused === null || focused === document.body || this.#dialog.contains(focused)) find(document, '#stream', HTMLElement).focus();
  }

  /**
   * Shows a device; null closes the drawer.
   *
   * @param {string | null} id
   */
  open(id) {
    if (id === this.#id) return;
    this.#leave();
    if (id === null) {
      this.#dialog.close();
      return;
    }
    this.#id = id;
    if (!this.#dialog.open) {
      const from = document.activeElement;
      this.#opener = from instanceof HTMLElement && from !== document.body ? from : null;
      this.#dialog.showModal();
    }
    this.#dialog.scrollTop = 0;
    find(this.#dialog, '#drawer-title', HTMLElement).focus();
    this.update();
    void this.#load(id);
  }

  #leave() {
    this.#loading.abort();
    this.#chart.close();
    this.#id = null;
    this.#shown = null;
    this.#answered = null;
    this.#problem = '';
  }

  /**
   * Asks the server: the page may not have heard of the device yet, or there is none.
   *
   * @param {string} id
   */
  async #load(id) {
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    const { locale } = this.#options.surroundings;
    try {
      this.#answered = await this.#options.history.device(id, signal);
    } catch (error) {
      if (signal.aborted) return;
      const unknown = error instanceof HistoryError && error.status === 404;
      const reason = error instanceof HistoryError ? error.message : locale.t('disconnected');
      this.#problem = unknown ? locale.t('deviceUnknown', { id }) : locale.t('deviceFailed', { reason });
    }
    this.update();
  }

  /** Has the archive asked again soon for what the chart shows. */
  outdate() {
    this.#chart.outdate();
  }

  /** @param {Set<string>} devices Those that are no more. */
  remove(devices) {
    const id = this.#id;
    if (id === null || !devices.has(id)) return;
    this.#answered = null;
    this.#shown = null;
    this.#chart.close();
    this.#problem = this.#options.surroundings.locale.t('deviceForgotten', { id });
    this.update();
  }

  /** Shows the device as it is now. */
  update() {
    const id = this.#id;
    if (id === null) return;
    const device = this.#options.devices.get(id) ?? this.#answered;
    const problem = find(this.#dialog, '.drawer-problem', HTMLElement);
    problem.hidden = Boolean(device) || !this.#problem;
    setText(problem, this.#problem);
    setText(find(this.#dialog, '#drawer-title', HTMLElement), visible(id));
    find(this.#dialog, '.drawer-content', HTMLElement).hidden = !device;
    if (device) this.#showDevice(device);
  }

  /** @param {Device} device */
  #showDevice(device) {
    const { locale, specs } = this.#options.surroundings;
    const alerts = this.#options.alerts.openOf(device.device_id);
    const place = [this.#options.surroundings.typeName(device.device_type), locale.place(device.location)];
    setText(find(this.#dialog, '.drawer-place', HTMLElement), place.filter(Boolean).join(locale.t('listSeparator')));
    const value = find(this.#dialog, '.drawer-value', HTMLElement);
    const remark = locale.remark(device);
    const words = locale.reading(device.value, specs.get(device.device_type));
    setText(value, remark ? `${words} (${remark})` : words);
    value.classList.toggle('doubtful', remark !== '');
    const status = find(this.#dialog, '.drawer-status', HTMLElement);
    status.replaceChildren(icon(device.status, `status-${device.status}`), textElement('span', locale.t(device.status)));
    this.#facts.show(device);
    this.#alerts.show(alerts);
    if (!this.#shown) this.#chart.open(device, alerts);
    else if (device !== this.#shown) this.#chart.add(device, alerts);
    this.#shown = device;
  }

  /** Moves ages and the chart's end on; to be called every second. */
  tick() {
    if (this.#id === null) return;
    this.update();
    this.#chart.update();
  }

  /**
   * Everything in another language or theme.
   *
   * @param {Palette} palette
   */
  show(palette) {
    this.#alerts.forget();
    this.update();
    this.#chart.show(palette);
  }
}

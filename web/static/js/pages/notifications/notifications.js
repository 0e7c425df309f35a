// @ts-check
import { CopyButton } from '../../components/copy-button.js';
import { find, setText } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { LoadState } from '../../components/load-state.js';
import { Slices } from '../../components/slices.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { visible } from '../../locale/visible.js';
import { calendarPath, channels, routes } from '../../model/notifications.js';
import { ChannelList } from './channel-list.js';
import { DeliveryList } from './delivery-list.js';
import { showCalendars, showRoutes, showWarnings } from './plan-lists.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 */

/** How often the server is asked what is configured, in milliseconds. */
const period = 30_000;

/** What is shown where nothing is configured. */
const example = `notifications:
  language: en
  channels:
    - name: shift
      mail:
        host: smtp.plant.example
        username: iotmon
        password_file: /etc/iotmon/smtp-password
        from: "iotmon <iotmon@plant.example>"
        to: ["shift@plant.example"]
  routes:
    - name: everything
      channels: [shift]
`;

/**
 * Shows who is notified of what, who is on call, and what was sent.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./notifications.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new NotificationsPage(root, session, signal).start();
}

/** The page's parts. */
class NotificationsPage {
  #root;
  #session;
  #frames;
  #channels;
  #routes;
  #channelState;
  #routeState;
  #channelList;
  #deliveries;
  #copy;
  #routeSlices;
  #calendarSlices;
  /** @type {import('../../model/notifications.js').Channel[] | null} */
  #known = null;
  /** @type {import('../../model/notifications.js').Routes | null} */
  #plan = null;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    const { history } = session;
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#routeSlices = new Slices(signal);
    this.#calendarSlices = new Slices(signal);
    this.#channels = session.ask((asking) => channels(history, asking), ({ items }) => (this.#known = items), signal);
    this.#routes = session.ask((asking) => routes(history, asking), (plan) => (this.#plan = plan), signal);
    const state = (/** @type {string} */ name, /** @type {import('../../locale/locale.js').Text} */ failed, /** @type {() => void} */ onRetry) =>
      new LoadState(this.#at(`#${name}-state`), session, { empty: failed, failed, onRetry }, signal);
    this.#channelState = state('channels', texts.channelsFailed, () => this.#channels.load());
    this.#routeState = state('routes', texts.routesFailed, () => this.#routes.load());
    this.#deliveries = new DeliveryList(root, session, signal);
    const tested = () => {
      this.#channels.load();
      this.#deliveries.load();
    };
    this.#channelList = new ChannelList(this.#at('#channels'), session, { onTested: tested }, signal);
    this.#copy = new CopyButton(find(root, '#notify-copy', HTMLButtonElement), this.#at('#notify-copied'), session, () => example, signal);
    const draw = () => this.#frames.request(this.#draw);
    for (const store of [this.#channels, this.#routes, session.address]) store.subscribe(draw, { signal });
    session.clock.subscribe(() => {
      if (!document.hidden) for (const request of [this.#channels, this.#routes]) request.renew(period);
    }, { signal });
    for (const store of [session.appearance, session.plant]) store.subscribe(() => this.#frames.request(this.#show), { signal });
  }

  start() {
    find(this.#root, '#routes-edit', HTMLAnchorElement).href = this.#session.href('notifications/routes');
    find(this.#root, '#calendar-new', HTMLAnchorElement).href = this.#session.href(calendarPath(''));
    setText(this.#at('#notify-example'), example);
    this.#show();
    this.#channels.load();
    this.#routes.load();
    this.#deliveries.start();
  }

  /** Everything in the present language. */
  #show = () => {
    translate(this.#root, this.#session.locale, texts);
    this.#copy.show();
    this.#draw();
  };

  #draw = () => {
    const known = this.#known;
    this.#channelState.update(this.#channels, { empty: !known });
    this.#routeState.update(this.#routes, { empty: !this.#plan });
    this.#at('#channels').hidden = known?.length === 0;
    this.#at('#channels-none').hidden = known?.length !== 0;
    if (known) this.#channelList.show(known);
    this.#deliveries.offer((known ?? []).map(({ name }) => name));
    this.#deliveries.draw();
    for (const link of ['#routes-edit', '#calendar-new']) this.#at(link).hidden = this.#plan?.decidable !== true;
    if (!this.#plan) return;
    this.#showOrigin(this.#plan);
    showWarnings(this.#at('#routes-warnings'), this.#plan, this.#session);
    setText(this.#at('#routes-decided'), this.#plan.decided_by === 'people' ? this.#session.locale.t(texts.decidedVersion, { version: String(this.#plan.version) }) : '');
    showRoutes(this.#at('#routes'), this.#plan.items, this.#session, this.#routeSlices);
    showCalendars(this.#at('#calendars'), this.#plan, this.#session, this.#calendarSlices);
  };

  /** Says whose configuration it is. @param {import('../../model/notifications.js').Routes} plan */
  #showOrigin({ origin }) {
    const { locale } = this.#session;
    const element = this.#at('#notify-origin');
    const { file = '', host = '', program = '' } = origin ?? {};
    const words = { file: visible(file), host: visible(host), program: visible(program) };
    setText(element, origin ? locale.t(file ? texts.originFile : texts.originNone, words) : '');
    element.title = locale.t(texts.originHint);
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}

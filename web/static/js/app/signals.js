// @ts-check
import { terms } from '../locale/terms.js';
import { visible } from '../locale/visible.js';
import { justRaised } from '../model/alert-life.js';
import { alertPath } from '../model/device-link.js';
import { severities } from '../model/protocol.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../model/protocol.js').Alert} Alert
 * @typedef {import('../model/protocol.js').Severity} Severity
 * @typedef {import('./session.js').Session} Session
 */

/** How many tones a new alert of a severity has, and how high they are, in hertz. @type {Record<Severity, [number, number]>} */
const tones = { critical: [3, 988], warning: [2, 740], info: [1, 587] };

/** How long a tone and the pause after it last, in seconds, and how loud it is, up to 1. */
const toneLength = 0.14;
const toneStep = 0.22;
const loudness = 0.2;

/** Alerts that come faster than this are signalled together, in milliseconds. */
const pause = 3000;

/** Signals new alerts by a sound and on the desktop, as far as the reader has chosen that. Many at once are one signal. */
export class Signals {
  #session;
  #open;
  /** @type {Alert[]} */
  #news = [];
  #signalled = -Infinity;
  /** @type {AudioContext | null} */
  #audio = null;

  /**
   * @param {Session} session
   * @param {(path: string) => void} open Opens an address below the application's root.
   * @param {AbortSignal} signal
   */
  constructor(session, open, signal) {
    this.#session = session;
    this.#open = open;
    session.alerts.subscribe(({ news }) => this.#add(news.filter(justRaised)), { signal });
    session.clock.subscribe(() => this.#signal(), { signal });
    // Browsers let a page make sounds only after the reader has done something on it; a change is that of the option itself.
    for (const event of ['pointerdown', 'keydown', 'change']) document.addEventListener(event, () => this.#unlock(event === 'change'), { signal });
    signal.addEventListener('abort', () => void this.#audio?.close(), { once: true });
  }

  /** @param {Alert[]} raised */
  #add(raised) {
    if (raised.length === 0) return;
    // What is not to be signalled is not signalled later either.
    const { alertSound, alertNotify } = this.#session.preferences;
    if (!alertSound && !alertNotify) return;
    this.#news.push(...raised);
    this.#signal();
  }

  /** Signals what has come, unless it has just done so. */
  #signal() {
    if (this.#news.length === 0 || performance.now() - this.#signalled < pause) return;
    this.#signalled = performance.now();
    const news = this.#news.sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
    this.#news = [];
    const [worst] = news;
    if (!worst) return;
    if (this.#session.preferences.alertSound) this.#play(worst.severity);
    if (this.#session.preferences.alertNotify) this.#notify(worst, news.length);
  }

  /** @param {boolean} chosen Whether the reader may just have chosen the sound, and is to know how it sounds. */
  #unlock(chosen) {
    if (!this.#session.preferences.alertSound || (this.#audio && this.#audio.state === 'running')) return;
    const first = this.#audio === null;
    this.#audio ??= new AudioContext();
    void this.#audio.resume();
    if (first && chosen) this.#play('info');
  }

  /** @param {Severity} severity */
  #play(severity) {
    const audio = this.#audio;
    if (!audio) return;
    const [count, height] = tones[severity];
    for (let i = 0; i < count; i++) {
      const at = audio.currentTime + i * toneStep;
      const tone = new OscillatorNode(audio, { frequency: height });
      const volume = new GainNode(audio, { gain: 0 });
      volume.gain.setValueAtTime(loudness, at);
      volume.gain.exponentialRampToValueAtTime(0.001, at + toneLength);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + toneLength);
    }
  }

  /**
   * @param {Alert} worst
   * @param {number} count
   */
  #notify(worst, count) {
    if (!document.hidden && document.hasFocus()) return;
    if (!('Notification' in globalThis) || Notification.permission !== 'granted') return;
    const session = this.#session;
    const words = [session.alertWords(worst), visible(worst.device_id)].join(session.locale.t(terms.listSeparator));
    const title = count > 1 ? session.locale.t(texts.newAlerts, { count }) : session.locale.t(terms[worst.severity]);
    // The tag has the next one take the place of this one: nobody has to clear hundreds.
    const shown = new Notification(title, { body: words, tag: 'iotmon-alerts' });
    shown.onclick = () => {
      window.focus();
      this.#open(count > 1 ? 'alerts' : alertPath(worst.id));
      shown.close();
    };
  }
}

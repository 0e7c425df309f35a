// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { offeredAction } from '../../components/alert/words.js';
import { actionable, possibleActions } from '../../model/alert-actions.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Alert} Alert
 * @typedef {import('../../model/alert-actions.js').AlertAction} AlertAction
 */

/** How many alerts are chosen, and what can be done about them. */
export class ChosenBar {
  #bar;
  #session;
  #choice;
  #onAction;

  /**
   * @param {HTMLElement} bar
   * @param {import('../../app/session.js').Session} session
   * @param {import('../../model/choice.js').Choice<Alert>} choice
   * @param {(action: AlertAction) => void} onAction
   */
  constructor(bar, session, choice, onAction) {
    this.#bar = bar;
    this.#session = session;
    this.#choice = choice;
    this.#onAction = onAction;
  }

  /** The alerts that are chosen, as they are now. */
  get alerts() {
    const { alerts } = this.#session;
    return this.#choice.entries.map(([id, alert]) => alerts.find(id) ?? alert);
  }

  /** Also in another language. */
  show() {
    const { locale } = this.#session;
    const { size } = this.#choice;
    this.#bar.hidden = size === 0;
    if (size === 0) return;
    const { alerts } = this;
    render(html`<strong role="status">${locale.t(texts.chosenAlerts, { count: size })}</strong>
      ${possibleActions(alerts).map((action) => {
        const count = actionable(alerts, action).length;
        return html`<button type="button" class="button ${action === 'acknowledge' ? 'button-main' : ''}" data-action=${action} @click=${() => this.#onAction(action)}>
          ${offeredAction(action, locale)}${count < size ? html` <small>${locale.number(count)}</small>` : nothing}</button>`;
      })}
      <button type="button" class="link" id="choose-no-alert" @click=${() => this.#choice.replace([])}>${locale.t(texts.chooseNoAlert)}</button>`, this.#bar);
  }
}

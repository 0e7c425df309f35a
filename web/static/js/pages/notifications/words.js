// @ts-check
import { dayNames } from '../../components/maintenance/words.js';
import { labelWords } from '../../components/registry/words.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/notifications.js').Delivery} Delivery
 * @typedef {import('../../model/notifications.js').NotificationRoute} NotificationRoute
 * @typedef {import('../../model/notifications.js').Span} Span
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../locale/locale.js').Text} Text
 * @typedef {import('../../app/session.js').Session} Session
 */

/** @type {Record<import('../../model/notifications.js').DeliveryKind, Text>} */
export const kindNames = {
  raised: texts.kindRaised, changed: texts.kindChanged, repeated: texts.kindRepeated, escalated: texts.kindEscalated, over: texts.kindOver, digest: texts.kindDigest,
  test: texts.kindTest, from_memory: texts.kindFromMemory,
};

/** What each state is called, and its icon. @type {Record<import('../../model/notifications.js').DeliveryState, [Text, string]>} */
export const stateNames = {
  pending: [texts.statePending, 'connecting'], sent: [texts.stateSent, 'cleared'], failed: [texts.stateFailed, 'close'], refused: [texts.stateRefused, 'close'], merged: [texts.stateMerged, 'table'],
};

/** What sends the messages; a name that is the same in every language is written as it is. @type {Record<string, Text | string>} */
const channelKinds = {
  mail: texts.mail, webhook: texts.webhook, alertmanager: 'Alertmanager', dingtalk: texts.dingtalk, wecom: texts.wecom, feishu: texts.feishu, slack: 'Slack', teams: 'Teams',
  telegram: 'Telegram',
};

/** @type {Record<string, Text>} */
const groupParts = { rule: texts.groupedRule, area: texts.groupedArea, whole_area: texts.groupedWholeArea, type: texts.groupedType, device: texts.groupedDevice };

/**
 * @param {string} kind
 * @param {Locale} locale
 */
export function channelKind(kind, locale) {
  const name = channelKinds[kind] ?? kind;
  return typeof name === 'string' ? visible(name) : locale.t(name);
}

/**
 * @param {string[]} names
 * @param {Locale} locale
 */
export function listed(names, locale) {
  return names.map(visible).join(locale.t(terms.listSeparator));
}

/**
 * Says where a message goes.
 *
 * @param {{channel: string, recipient?: string}} target
 * @param {Locale} locale
 */
export function targetWords({ channel, recipient }, locale) {
  return recipient ? locale.t(texts.recipientOf, { recipient: visible(recipient), channel: visible(channel) }) : visible(channel);
}

/**
 * Says what a message is about.
 *
 * @param {Delivery} delivery
 * @param {Session} session
 */
export function aboutWords({ kind, message }, session) {
  const { locale } = session;
  const groups = message.groups ?? [];
  const [group] = groups;
  if (!group) return '';
  const open = locale.t(texts.openCount, { count: groups.reduce((sum, one) => sum + one.open, 0) });
  if (groups.length > 1 || kind === 'digest') return [locale.t(texts.groupCount, { count: groups.length + (message.omitted ?? 0) }), open].join(' · ');
  const type = group.device_type ? session.typeName(group.device_type) : '';
  return [visible(group.alert_type ?? '') || locale.t(texts.allRules), visible(group.area ?? ''), type, visible(group.device_id ?? ''), open].filter(Boolean).join(' · ');
}

/**
 * Says times of day, and on which days.
 *
 * @param {Span[]} spans
 * @param {Locale} locale
 */
export function timesWords(spans, locale) {
  const times = spans.map(({ days = [], from, to }) => {
    if (days.length === 0) return locale.t(texts.spanDaily, { from, to });
    return locale.t(texts.spanDays, { days: days.map((day) => locale.t(dayNames[day])).join(locale.t(terms.listSeparator)), from, to });
  });
  return times.join(locale.t(terms.listSeparator));
}

/**
 * @param {Span[]} spans
 * @param {string} zone
 * @param {Locale} locale
 */
export function spanWords(spans, zone, locale) {
  return locale.t(texts.zoned, { times: timesWords(spans, locale), zone: visible(zone) });
}

/**
 * Says which alerts a route is about.
 *
 * @param {NotificationRoute} route
 * @param {Session} session
 */
export function selectionWords(route, session) {
  const { locale } = session;
  const of = (/** @type {Text} */ text, /** @type {string} */ key, /** @type {string[] | undefined} */ values) => (values && values.length > 0 ? locale.t(text, { [key]: listed(values, locale) }) : '');
  const parts = [
    (route.severities ?? []).map((severity) => locale.t(terms[severity])).join(locale.t(terms.listSeparator)),
    of(texts.routeAreas, 'areas', route.areas), of(texts.routeTypes, 'types', route.types?.map((type) => session.typeName(type))), of(texts.routeRules, 'rules', route.rules),
    of(texts.routeTenants, 'tenants', route.tenants), route.labels && Object.keys(route.labels).length > 0 ? locale.t(texts.routeLabels, { labels: labelWords(route.labels, locale) }) : '',
    route.times && route.times.length > 0 ? locale.t(texts.routeTimes, { times: spanWords(route.times, route.time_zone, locale) }) : '',
  ].filter(Boolean);
  return parts.length > 0 ? parts.join(' · ') : locale.t(texts.routeAll);
}

/**
 * Says whom a route, or a step of its escalation, notifies.
 *
 * @param {{channels?: string[], on_call?: string[]}} of
 * @param {Locale} locale
 */
export function whoWords({ channels = [], on_call: onCall = [] }, locale) {
  return [...channels.map(visible), ...onCall.map((calendar) => locale.t(texts.routeOnCall, { calendar: visible(calendar) }))].join(locale.t(terms.listSeparator));
}

/**
 * Says that a route notifies these; nothing if it notifies nobody.
 *
 * @param {{channels?: string[], on_call?: string[]}} of
 * @param {Locale} locale
 */
export function notifiesWords(of, locale) {
  const who = whoWords(of, locale);
  return who && locale.t(texts.routeTo, { who });
}

/**
 * What alerts of one message may have in common.
 *
 * @param {string} part
 * @param {Locale} locale
 */
export function groupName(part, locale) {
  return groupParts[part] ? locale.t(groupParts[part]) : visible(part);
}

/**
 * Says when a route notifies.
 *
 * @param {NotificationRoute} route
 * @param {Locale} locale
 * @returns {string[]}
 */
export function whenNotified(route, locale) {
  const time = (/** @type {number} */ seconds) => locale.duration(seconds * 1000);
  const parts = route.group_by.map((part) => groupName(part, locale));
  return [
    locale.t(texts.routeWait, { wait: time(route.wait_seconds), interval: time(route.interval_seconds) }),
    route.repeat_seconds > 0 ? locale.t(texts.routeRepeat, { repeat: time(route.repeat_seconds) }) : locale.t(texts.routeNoRepeat),
    ...(route.escalate ?? []).map((step) => locale.t(texts.routeEscalate, { after: time(step.after_seconds), who: whoWords(step, locale) })),
    route.quiet && route.quiet.length > 0 ? locale.t(texts.routeQuiet, { times: spanWords(route.quiet, route.time_zone, locale) }) : '',
    parts.length > 0 ? locale.t(texts.routeGroups, { parts: parts.join(locale.t(terms.listSeparator)) }) : locale.t(texts.routeGroupsNone),
    route.continue ? locale.t(texts.routeContinues) : '',
  ].filter(Boolean);
}

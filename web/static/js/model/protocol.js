// @ts-check

/**
 * The messages of the server, as JSON has them. Times are RFC 3339 in UTC.
 *
 * @typedef {'online' | 'offline'} Status
 * @typedef {'info' | 'warning' | 'critical'} Severity
 * @typedef {'raised' | 'updated' | 'acknowledged' | 'cleared'} Transition
 *
 * @typedef {{building?: string, floor?: number, room?: string}} Location
 * @typedef {{model?: string, firmware?: string, battery_level?: number}} Metadata
 *
 * @typedef {object} Device The latest reading of a device and what is known beyond it.
 * @property {string} device_id
 * @property {string} device_type
 * @property {string} timestamp
 * @property {number} value
 * @property {string} [unit]
 * @property {Location} [location]
 * @property {Status} status
 * @property {Metadata} [metadata]
 * @property {'good' | 'uncertain' | 'bad'} [quality]
 * @property {boolean} [historical]
 * @property {string} since When the status last changed.
 * @property {number} open_alerts
 *
 * @typedef {object} Alert One event in the life of an alert.
 * @property {string} id
 * @property {string} device_id
 * @property {string} device_type
 * @property {string} alert_type
 * @property {Severity} severity
 * @property {Transition} state
 * @property {string} message In Chinese, as the rule or the server words it.
 * @property {string} [message_en] In English. Alerts of older servers have it only if their rule had a text of its own.
 * @property {string} [procedure] The address of a page that says what to do.
 * @property {number} current_value
 * @property {number} threshold
 * @property {boolean} [below] that values under the threshold violate the rule, rather than values over it
 * @property {string} [unit]
 * @property {Location} [location]
 * @property {string} [area] Where the registry says that the device belongs.
 * @property {string} onset
 * @property {string} timestamp
 * @property {boolean} [historical]
 * @property {LifeState} [alarm_state] Where it is in its life after the event.
 * @property {string} [latched_at] When its condition has returned to normal, while its rule keeps it open.
 * @property {string} [reason] Why it has cleared, if not because of a reading.
 * @property {string} [acknowledged_at]
 * @property {string} [acknowledged_by]
 * @property {'shelved' | 'out_of_service' | 'by_design' | 'by_parent'} [suppressed] Why nobody is notified of it.
 * @property {string} [suppressed_until]
 * @property {string} [suppressed_by]
 * @property {string} [suppressed_at]
 * @property {string} [suppressed_reason] Why somebody has decided that.
 * @property {string} [suppressed_actor] Who has decided the maintenance that suppressed_by names.
 * @property {string} [actor] Who has caused the event.
 * @property {string} [comment] What that person wrote.
 * @property {string} [raised_at] Of an archived alert; cleared_at and commented_at, too.
 * @property {string} [cleared_at]
 * @property {string} [commented_at]
 *
 * @typedef {'unacknowledged' | 'acknowledged' | 'returned_unacknowledged' | 'latched_unacknowledged' | 'latched_acknowledged' | 'normal'} LifeState
 *   As ISA-18.2 has it.
 *
 * @typedef {object} TypeSpec
 * @property {string} name
 * @property {string} unit
 * @property {number} decimals
 * @property {number} min
 * @property {number} max
 * @property {Record<string, string> | null} labels By language. Servers of older versions send null for a type without any.
 * @property {string[]} [states] The names of discrete values, index by value.
 *
 * @typedef {object} AlertRule What raises the alerts of one type.
 * @property {string} alert_type
 * @property {string} device_type
 * @property {Severity} severity
 * @property {number} threshold
 * @property {boolean} [below]
 *
 * @typedef {object} AggregateData The numbers of one device type in one window; the values are null when count is 0.
 * @property {number} count
 * @property {number | null} avg_value
 * @property {number | null} max_value
 * @property {number | null} min_value
 * @property {number} device_count
 * @property {number} online_devices
 * @property {number} offline_devices
 * @property {number} alert_count
 *
 * @typedef {object} Summary One closed window, or several merged, of one device type.
 * @property {string} timestamp The window's start.
 * @property {number} window_seconds
 * @property {string} device_type
 * @property {AggregateData} aggregated_data
 *
 * @typedef {{total_devices: number, online_devices: number, offline_devices: number}} StatusCounts
 *
 * @typedef {{seq: number, timestamp: string, snapshot?: boolean}} Envelope
 * @typedef {Envelope & {type: 'hello', server_version: string, session: string, resumed: boolean, window_seconds: number,
 *   device_types: TypeSpec[], alert_rules?: AlertRule[]}} Hello
 * @typedef {Envelope & {type: 'alert_rules', alert_rules: AlertRule[], alert_rules_omitted?: number}} AlertRules Other rules are in force, of some devices
 *   perhaps: those listed hold for every device of a type.
 * @typedef {Envelope & {type: 'aggregated_data', window_start: string, window_seconds: number, final: boolean,
 *   corrected?: boolean,
 *   data: Record<string, AggregateData>, device_status: StatusCounts}} AggregatedData
 * @typedef {Envelope & {type: 'device_types', device_types: TypeSpec[]}} DeviceTypes Every device type; there are more than there were.
 * @typedef {Envelope & {type: 'history_changed'}} HistoryChanged
 * @typedef {Envelope & {type: 'device_data', devices: Device[]}} DeviceData
 * @typedef {{device_id: string, status: Status, since: string}} StatusChange
 * @typedef {Envelope & StatusCounts & {type: 'device_status', by_type: Record<string, StatusCounts>,
 *   changed: StatusChange[], readings_per_second: number}} DeviceStatus
 * @typedef {Envelope & {type: 'device_removed', device_ids: string[]}} DeviceRemoved
 * @typedef {Envelope & {type: 'alert', alerts: Alert[]}} AlertMessage
 * @typedef {Envelope & {type: 'error', code: string, message: string}} ErrorMessage
 * @typedef {Hello | AlertRules | DeviceTypes | AggregatedData | HistoryChanged | DeviceData | DeviceStatus | DeviceRemoved | AlertMessage | ErrorMessage} Message
 */

/** @type {readonly Severity[]} Most urgent first. */
export const severities = ['critical', 'warning', 'info'];

/** The required field of each type of message, and the test that its value must pass. */
const essentials = new Map(
  /** @type {[string, (message: any) => boolean][]} */ ([
    ['hello', (m) => Array.isArray(m.device_types) && typeof m.session === 'string'],
    ['aggregated_data', (m) => Number.isFinite(Date.parse(m.window_start)) && isObject(m.data)],
    ['device_types', (m) => Array.isArray(m.device_types)],
    ['alert_rules', (m) => Array.isArray(m.alert_rules)],
    ['history_changed', () => true],
    ['device_data', (m) => Array.isArray(m.devices)],
    ['device_status', (m) => Number.isFinite(m.total_devices)],
    ['device_removed', (m) => Array.isArray(m.device_ids)],
    ['alert', (m) => Array.isArray(m.alerts)],
    ['error', (m) => typeof m.message === 'string'],
  ]),
);

/**
 * Reads one message. A message of an unknown type, from a newer server, is null, and should be ignored.
 *
 * @param {string} text
 * @returns {Message | null}
 * @throws {SyntaxError} if the text is no message at all.
 */
export function parseMessage(text) {
  const message = JSON.parse(text);
  if (!isObject(message) || typeof message.type !== 'string' || !Number.isFinite(message.seq)) {
    throw new SyntaxError('not a message: type or seq is missing');
  }
  const complete = essentials.get(message.type);
  if (!complete) return null;
  if (!complete(message)) throw new SyntaxError(`not a complete message of type ${message.type}`);
  return message;
}

/**
 * Returns the address to connect to, with the place to resume from if there is one.
 *
 * @param {{protocol: string, host: string, pathname?: string}} page The page's own location: behind a proxy it may lie under a path.
 * @param {string} path The endpoint's, as the server has it.
 * @param {{session: string, since: number} | null} resume
 */
export function socketAddress(page, path, resume) {
  const under = (page.pathname ?? '/').replace(/[^/]*$/, '');
  const scheme = page.protocol === 'https:' ? 'wss:' : 'ws:';
  const query = new URLSearchParams({ batch: 'true', ...(resume && { session: resume.session, since: String(resume.since) }) });
  return `${scheme}//${page.host}${under}${path.replace(/^[/]/, '')}?${query}`;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

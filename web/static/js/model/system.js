// @ts-check

/**
 * What the server says about itself and the other programs. What it does not know is absent.
 *
 * @typedef {{name: string, vital: boolean, ready: boolean, reason?: string}} Part
 * @typedef {{role: 'processor' | 'archiver' | 'cache' | 'program', client: string, host?: string, partitions: number[], answers?: boolean}} Member
 *
 * @typedef {object} Partition A partition of the readings' topic.
 * @property {number} partition
 * @property {number} start
 * @property {number} end
 * @property {number} [processed]
 * @property {number} lag
 * @property {number} [archived]
 * @property {number} archive_lag
 * @property {string} [stopped]
 *
 * @typedef {object} Forward How the forwarding of readings to a centre is doing. What is counted is counted since the start of the program.
 * @property {string} to
 * @property {boolean} connected
 * @property {string} [since] Since when that is so; absent before the first call.
 * @property {string} [problem]
 * @property {number} lag How many records are still to be forwarded.
 * @property {number} lag_seconds How long the oldest of them has waited.
 * @property {number} forwarded
 * @property {number} early
 * @property {number} rejected
 * @property {string} [last_reason]
 * @property {number} errors
 * @property {number} clock_ahead_seconds
 * @property {{partition: number, records: number}[]} lost
 *
 * @typedef {object} System
 * @property {string} timestamp
 * @property {{service: string, version: string, go: string, started_at: string}} program
 * @property {Part[]} parts
 * @property {Member[]} members
 * @property {number} readings_per_second
 * @property {{partitions: Partition[], lag?: number, problem?: string}} log
 * @property {{lag?: number, delay_seconds?: number, patience_seconds: number, problem?: string}} [archive]
 * @property {{samples: number, p50_ms: number, p95_ms: number, p99_ms: number}} [latency]
 * @property {{connected: number, limit: number, behind: number}} clients
 * @property {{held: number, end: number}} [dead_letters]
 * @property {Forward} [forward] Absent where nothing is forwarded.
 */

/**
 * Returns how many records a second came into each partition between two answers; without those that are not known, as after the
 * topic was created anew.
 *
 * @param {System | null} before
 * @param {System} now
 * @returns {Map<number, number>}
 */
export function partitionRates(before, now) {
  /** @type {Map<number, number>} */
  const rates = new Map();
  const seconds = before ? (Date.parse(now.timestamp) - Date.parse(before.timestamp)) / 1000 : 0;
  if (!before || seconds <= 0) return rates;
  const ends = new Map(before.log.partitions.map(({ partition, end }) => [partition, end]));
  for (const { partition, end } of now.log.partitions) {
    const earlier = ends.get(partition);
    if (earlier !== undefined && end >= earlier) rates.set(partition, (end - earlier) / seconds);
  }
  return rates;
}

/**
 * Returns the version in a client id such as consumer-1.2.3 and the service before it. A client of another program has no version.
 *
 * @param {string} client
 */
export function serviceOf(client) {
  const service = ['iotmon', 'consumer', 'websocket', 'producer', 'web'].find((name) => client.startsWith(`${name}-`));
  return service ? { service, version: client.slice(service.length + 1) } : { service: client, version: '' };
}

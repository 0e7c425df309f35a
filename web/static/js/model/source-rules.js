// @ts-check

/**
 * @typedef {import('./sources.js').Topic} Topic
 * @typedef {import('./sources.js').SourceValue} SourceValue
 *
 * @typedef {object} Rule A rule of a source's map, with the keys of the configuration. It may have others, which are kept.
 * @property {string} [topic]
 * @property {string} [measurement]
 * @property {Record<string, string>} [tags]
 * @property {string} [field]
 * @property {string} [device]
 * @property {string} [type]
 * @property {Definition} [define] What the type is, if there is none with this name yet.
 * @property {string} [unit]
 * @property {string} [building]
 * @property {string} [room]
 * @property {string} [interval] How often the device sends at least, such as 5m.
 *
 * @typedef {object} Definition A device type that a rule makes.
 * @property {string} [unit]
 * @property {number} [min]
 * @property {number} [max]
 * @property {number} [decimals]
 * @property {Record<string, string>} [labels] By language.
 */

/** The keys of a rule, in the order in which people write them; others follow. */
const order = ['topic', 'measurement', 'tags', 'field', 'device', 'type', 'define', 'unit', 'building', 'room', 'interval'];

/** Units of other sizes than those of the types, by type. @type {Record<string, string[]>} */
const others = {
  temperature_sensor: ['°C', '°F', 'K', '°R'],
  humidity_sensor: ['%'],
  pressure_sensor: ['hPa', 'Pa', 'kPa', 'MPa', 'mbar', 'bar', 'psi'],
  current_sensor: ['A', 'mA', 'kA'],
};

/**
 * Returns the units that are offered for the values of a type.
 *
 * @param {string} type
 * @param {string} own The type's own unit.
 */
export function offeredUnits(type, own) {
  return [...new Set([own, ...(others[type] ?? [])].filter(Boolean))];
}

/**
 * Returns a rule for a value, and for those of the topics that differ from its topic in one level.
 *
 * @param {Topic} topic
 * @param {SourceValue} value
 * @param {{topics: Topic[], units: Map<string, string>}} known What the source receives, and the unit of each type.
 * @returns {Rule}
 */
export function proposedRule(topic, value, { topics, units }) {
  const levels = topic.topic.split('/');
  const alike = topics.filter(({ values }) => values.some(({ field }) => field === value.field)).map((other) => other.topic.split('/'));
  const varies = levels.map((_, i) => alike.some((other) => other.length === levels.length && other.every((level, j) => (i === j ? level !== levels[j] : level === levels[j]))));
  const severalValues = topic.values.filter(({ number }) => number !== undefined).length > 1;
  const parts = [...tagNames(value).map((tag) => `{${tag}}`), ...levels.flatMap((_, i) => (varies[i] ? [`{{topic ${i + 1}}}`] : []))];
  if (parts.length === 0) parts.push(lasting(value.tags?.['client_id']) ? '{client_id}' : plain(levels.findLast(Boolean) ?? ''));
  if (severalValues) parts.push('{field}');
  return {
    ...(topic.topic && { topic: levels.map((level, i) => (varies[i] ? '+' : level)).join('/') }),
    ...(value.measurement && { measurement: value.measurement }),
    field: value.field,
    device: parts.join('-'),
    type: guessedType(value, units),
    ...(value.unit && { unit: value.unit }),
  };
}

/**
 * The tags by which devices differ; a host first. The client of a broker is often a gateway of many devices, so it is none of them.
 *
 * @param {SourceValue} value
 */
function tagNames({ tags = {} }) {
  const known = ['device', 'device_id', 'host', 'id', 'name'];
  const found = known.filter((name) => tags[name]);
  return found.length > 0 ? found.slice(0, 1) : Object.keys(tags).filter((name) => name !== 'client_id').sort().slice(0, 1);
}

/** Client ids that brokers and programs make up, another one at each connection. */
const madeUp = /^(auto|mosq|mqttjs|mqtt-explorer|mqttx|nodered|paho|python|lens)[-_/]?/i;

/**
 * Whether a client of the broker is called by its own name.
 *
 * @param {string} [client]
 */
function lasting(client) {
  return client !== undefined && client !== '' && !madeUp.test(client);
}

/**
 * A level as a part of an id: braces would be a placeholder.
 *
 * @param {string} level
 */
function plain(level) {
  return level.replace(/[{}]/g, '_');
}

/**
 * The type that the server guesses, or else any.
 *
 * @param {SourceValue} value
 * @param {Map<string, string>} units
 */
function guessedType({ guessed_type: type = '' }, units) {
  return units.has(type) ? type : (units.keys().next().value ?? '');
}

/**
 * Returns the part of the configuration that has the rules of a source's map.
 *
 * @param {{name: string, kind: string}} source
 * @param {Rule[]} rules
 * @param {string} comment
 */
export function configuration({ name, kind }, rules, comment) {
  // The broker in the program itself has a part of its own.
  const broker = kind === 'mqtt_broker';
  const indent = broker ? '  ' : '    ';
  const lines = [...(broker ? ['mqtt_broker:'] : ['sources:', `  - name: ${scalar(name)}`]), `${indent}# ${comment}`];
  if (rules.length === 0) lines.push(`${indent}map: []`);
  else lines.push(`${indent}map:`, ...rules.flatMap((rule) => block(sorted(rule)).map((line, i) => `${indent}  ${i === 0 ? '- ' : '  '}${line}`)));
  return `${lines.join('\n')}\n`;
}

/**
 * @param {Rule} rule
 * @returns {Record<string, unknown>}
 */
function sorted(rule) {
  const place = (/** @type {string} */ key) => (order.includes(key) ? order.indexOf(key) : order.length);
  return Object.fromEntries(Object.entries(rule).sort(([a], [b]) => place(a) - place(b)));
}

/**
 * The lines of an object; what is empty is left out.
 *
 * @param {object} object
 * @returns {string[]}
 */
function block(object) {
  return Object.entries(object).flatMap(([key, value]) => {
    if (value === undefined || value === null || value === '') return [];
    if (typeof value !== 'object') return [`${scalar(key)}: ${scalar(value)}`];
    if (Array.isArray(value)) return [`${scalar(key)}: [${value.map(scalar).join(', ')}]`];
    const lines = block(value);
    return lines.length > 0 ? [`${scalar(key)}:`, ...lines.map((line) => `  ${line}`)] : [];
  });
}

/** What YAML reads as anything but a text. */
const special = /^(true|false|yes|no|on|off|y|n|null|~|[-+.\d].*)$/i;

/**
 * @param {unknown} value
 * @returns {string}
 */
function scalar(value) {
  if (typeof value !== 'string') return String(value);
  return /^[A-Za-z_][\w.-]*$/.test(value) && !special.test(value) ? value : JSON.stringify(value);
}

/**
 * Reads tags as people type them: site=north, host=a. What has no name is left out. A comma within a tag, and an equals sign within its name,
 * have a backslash before them.
 *
 * @param {string} text
 * @returns {Record<string, string>}
 */
export function typedTags(text) {
  const plain = (/** @type {string} */ written) => written.trim().replaceAll(/\\([\\,=])/g, '$1');
  const pairs = (text.match(/(?:\\[\\,=]|[^,])+/g) ?? []).map((pair) => {
    const name = /^(?:\\[\\,=]|[^=])*/.exec(pair)?.[0] ?? '';
    return [plain(name), plain(pair.slice(name.length + 1))];
  });
  return Object.fromEntries(pairs.filter(([name]) => name));
}

/** @param {Record<string, string>} [tags] */
export function writtenTags(tags = {}) {
  const written = (/** @type {string} */ text) => text.replaceAll(/[\\,]/g, '\\$&');
  return Object.entries(tags).map(([name, value]) => `${written(name).replaceAll('=', '\\=')}=${written(value)}`).join(', ');
}

/**
 * Returns the names of the device types that rules make.
 *
 * @param {Rule[]} rules
 * @param {Map<string, unknown>} known Those that there are.
 */
export function madeTypes(rules, known) {
  return [...new Set(rules.flatMap(({ define, type }) => (define && type && !known.has(type) ? [type] : [])))];
}

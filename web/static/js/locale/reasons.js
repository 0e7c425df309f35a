// @ts-check
import { visible } from './visible.js';

/**
 * @typedef {{reason?: string, reason_code?: string, reason_arguments?: Record<string, string>}} Reason Why a message or a value is no reading, in the server's words
 *   and, where it has one, by its code.
 */

/** What the reasons with a code are called. In English the words of the server are. */
export const reasons = new Map(Object.entries({
  no_whole_number: '必须是整数（收到 {got}）',
  no_time_value: '消息中没有规则用作时间的值 {value}',
  time_without_zone: '无法识别时间 {got}：须为带时区的 ISO 8601 时间或 Unix 时间，或在规则的 time 中设定时区、格式或 arrival',
  time_format: '时间不符合规则的格式：{problem}',
  no_quality_value: '消息中没有规则用作质量的值 {value}',
  scaled_text: '规则有 scale 或 offset，因此必须是数字（收到 {got}）',
  no_status_word: '不是规则中表示在线、离线或异常的词（收到 {got}）',
  no_device: '不涉及任何设备：设备 ID 的开头为空',
  no_topic_level: '主题 {topic} 没有第 {level} 级',
  no_field_level: '字段 {name} 没有第 {level} 级',
  no_other_value: '没有值 {name}',
  no_tag_or_value: '既没有标签也没有值 {name}（标签：{tags}）',
  no_tag: '没有标签 {name}（标签：{tags}）',
  no_values: '其中没有值',
  no_rule: '映射中没有规则匹配其 {count} 个值中的任何一个（{names}）',
  more_values: '该消息还有 {count} 个值不能成为读数',
  too_many_devices: '数据源已有 {most} 个设备，不能再多：请调高其 max_devices，或减少生成设备的主题和标签（收到 {got}）',
  packet_too_long: '消息有 {bytes} 字节，超过 max_packet_bytes',
  too_long: '长于 {most} 字节（收到 {got}）',
  longer_than: '长于 {most} 字节',
  too_many_values: '多于 {most} 个值',
  utf16: '文本为 UTF-16 编码：请发送 UTF-8',
  empty: '消息为空',
  text_too_long: '文本长于 {most} 字节（收到 {got}）',
  unknown_format: '既不是文本也不是已知的二进制格式（开头为 {begin}）',
  not_utf8: '第 {byte} 个字节处不是 UTF-8',
  no_line: '其中没有行协议的点',
  not_line: '不是行协议的一行：{problem}',
  two_lines: '不是行协议的一行：其后还有另一个点',
  line_time: '行中的时间无效：{problem}',
  not_json: '第 {byte} 个字节处不是有效的 JSON：{problem}（收到 {got}）',
  too_many_nodes: '值、对象和数组多于 {most} 个',
  too_deep: '对象和数组嵌套多于 {most} 层',
  name_twice: '名称 {name} 在同一个对象中出现两次',
  path_too_long: '值的路径长于 {most} 字节（{path}）',
  not_cbor: '不是有效的 CBOR：{problem}',
  cbor_key: 'CBOR 的键既不是文本也不是数字（收到 {got}）',
  missing: '缺失',
  unknown_type: '未知的设备类型（收到 {got}；已知：{known}）',
  out_of_limits: '必须在 {least} 到 {most} 之间（收到 {got}）',
  not_percent: '必须在 0 到 100 之间（收到 {got}）',
  year_too_late: '年份最晚为 9998（收到 {got}）',
  time_too_early: '早于 {earliest}：设备的时钟未设定，或这不是 Unix 时间（收到 {got}）',
  not_finite: '不是有限的数（收到 {got}）',
  unknown_unit: '{type} 没有这个单位（收到 {got}；标准单位：{unit}）',
  outside_range: '超出 {type} 的物理范围 {min} 至 {max} {unit}（收到 {got}）',
  no_state_number: '必须是 {states} 个状态之一的整数（收到 {got}）',
  ahead: '比接收时间超前 {most} 以上（超前 {got}）',
  too_old: '接收时已早于保留期 {retention}（已过 {got}）',
  ambiguous_state: '既是 {type} 的状态 {state} 的名称，也是数字（收到 {got}）',
  no_state: '不是 {type} 的状态（收到 {got}；状态：{states}）',
  state_word: '{type} 必须是数字；只有带状态的类型接受该值（收到 {got}）',
  number_separators: '必须是以点为小数点、不带分隔符的数字（收到 {got}）',
  not_number: '{type} 必须是数字（收到 {got}）',
  unknown_status: '必须是 online 或 offline（收到 {got}）',
  unknown_quality: '必须是 good、uncertain、bad 或 OPC 状态码（收到 {got}）',
  invalid_utf8: '不是有效的 UTF-8（收到 {got}）',
  bad_character: '含有不允许的字符 {character}（收到 {got}）',
  not_in_url: '不能是 {got}：它不能作为网址的一部分',
  white_space: '首尾有空白（收到 {got}）',
  sparkplug_too_long: '长 {bytes} 字节，超过 {most} 字节',
  too_many_nodes_online: '在线的边缘节点多于 {most} 个',
  too_many_node_devices: '边缘节点 {node} 的设备多于 {most} 个',
  not_array: '{name} 不是其类型的数组，或元素多于 {most} 个',
  not_sparkplug_topic: '不是 Sparkplug B 的主题',
  unknown_message: '未知的消息类型 {got}',
  unknown_alias: '{count} 个指标的别名不在任何出生证书中',
  uncertain_alias: '{count} 个指标的别名不确定：{problem}',
}));

const none = '无';

/**
 * Returns why a message or a value is no reading, in the reader's language as far as the reason has a code that is known; otherwise in the server's words, as
 * dead letters of earlier versions have no code.
 *
 * @param {Reason} reason
 * @param {{language: string}} locale
 */
export function reasonWords({ reason = '', reason_code: code = '', reason_arguments: given = {} }, { language }) {
  const words = language === 'zh' ? reasons.get(code) : undefined;
  if (!words || [...words.matchAll(gap)].some(([, name]) => given[String(name)] === undefined)) return visible(reason);
  const said = words.replace(gap, (_, name) => (name === 'tags' && given[name] === 'none' ? none : visible(given[name] ?? '')));
  return given['in'] === undefined ? said : `${said}，位于值 ${visible(given['in'])}`;
}

const gap = /\{(\w+)\}/g;

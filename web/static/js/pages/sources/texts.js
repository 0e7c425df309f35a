// @ts-check

/** The words of the pages about where readings come from. */
export const texts = {
  sourcesFailed: { en: 'The sources could not be loaded: {reason}', zh: '数据源加载失败：{reason}' },
  sourcesNoMatch: { en: 'No source matches.', zh: '没有符合条件的数据源。' },
  sourcesTitle: { en: 'Where readings come from', zh: '读数来源' },
  sourceSearch: { en: 'Name, protocol or address', zh: '名称、协议或地址' },
  sourceState: { en: 'State', zh: '状况' },
  anyState: { en: 'Any state', zh: '全部状况' },
  inTrouble: { en: 'In trouble', zh: '异常' },
  clearSourceFilters: { en: 'Show all sources', zh: '显示全部数据源' },

  sourceConnected: { en: 'Connected', zh: '已连接' },
  sourceListening: { en: 'Listening', zh: '正在监听' },
  sourceConnecting: { en: 'Connecting', zh: '正在连接' },
  sourceFailed: { en: 'Not connected', zh: '未连接' },
  sourceWaiting: { en: 'In another program', zh: '由其他程序运行' },
  sourceUnknown: { en: 'Unknown', zh: '未知' },
  sourceBlocked: { en: 'Waits for the log', zh: '等待日志' },

  causeName: { en: '{error}', zh: '找不到该名称的地址：{error}' },
  causeRefused: { en: '{error}', zh: '对端不接受连接：{error}' },
  causeUnreachable: { en: '{error}', zh: '网络不可达：{error}' },
  causeSilent: { en: '{error}', zh: '对端没有及时应答：{error}' },
  causeClosed: { en: '{error}', zh: '对端已断开连接：{error}' },
  causeCertificate: { en: '{error}', zh: '证书未被接受：{error}' },
  causeLogin: { en: '{error}', zh: '登录被拒绝：{error}' },

  sourceName: { en: 'Source', zh: '数据源' },
  protocol: { en: 'Protocol', zh: '协议' },
  messageRate: { en: 'Messages/s', zh: '每秒消息' },
  rejects: { en: 'Rejected', zh: '已拒绝' },
  lastValue: { en: 'Newest value', zh: '最新值' },
  addressOrProblem: { en: 'Address, or what is wrong', zh: '地址或问题' },
  sourceCount: { en: { one: '{count} source', other: '{count} sources' }, zh: '{count} 个数据源' },
  sourceTroubles: { en: { one: '{count} source in trouble', other: '{count} sources in trouble' }, zh: '{count} 个数据源异常' },
  unknownSince: { en: 'Not reported since {time}', zh: '自 {time} 起没有报告' },

  noSources: { en: 'No source is configured', zh: '没有配置数据源' },
  noSourcesWhy: {
    en: 'Readings may come over HTTP without one. To receive them from devices and other systems, write a source into the configuration of iotmon, or of the producers, and restart: for example one that subscribes to an MQTT broker.',
    zh: '没有数据源时，读数仍可通过 HTTP 发送。要从设备和其他系统接收读数，请在 iotmon（或 producer）的配置中写入数据源并重启，例如订阅 MQTT 代理：',
  },
  noSourcesNext: {
    en: 'It connects at once and shows what arrives here, even before a rule of its map matches. The rules can then be made by pointing at values.',
    zh: '它会立即连接并在此显示收到的内容，即使还没有任何映射规则匹配；之后点选数值即可生成规则。',
  },
  yourTopic: { en: 'what you want to receive', zh: '要接收的主题' },
  exampleConfiguration: { en: 'Example of a configuration', zh: '配置示例' },
};

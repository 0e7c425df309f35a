// @ts-check

/** The words of the overview. */
export const texts = {
  kpis: { en: 'Key figures', zh: '关键指标' },
  kpiDevices: { en: 'Devices', zh: '设备总数' },
  kpiOnline: { en: 'Online', zh: '在线设备' },
  kpiLatencyHint: { en: 'From the reading on the device to this page', zh: '从设备产生读数到显示在本页面' },
  kpiLead: { en: 'Show these alerts', zh: '查看这些告警' },
  kpiLeadOffline: { en: 'Show these devices', zh: '查看这些设备' },
  types: { en: { one: '{count} device type', other: '{count} device types' }, zh: '{count} 种类型' },
  offlineCount: { en: '{count} offline', zh: '{count} 台离线' },
  allOnline: { en: 'all online', zh: '全部在线' },
  noAlerts: { en: 'none', zh: '无' },
  severityCount: { en: '{count} {severity}', zh: '{severity} {count}' },

  aggregatedTitle: { en: 'Aggregates', zh: '设备数据聚合统计' },
  deviceCount: { en: 'Devices', zh: '设备数量' },
  seriesAverage: { en: '{type} average', zh: '{type}平均' },
  seriesMaximum: { en: '{type} maximum', zh: '{type}最大' },
  seriesMinimum: { en: '{type} minimum', zh: '{type}最小' },
  readings: { en: 'Readings', zh: '读数' },
  inProgress: { en: 'in progress', zh: '进行中' },
  chartLabel: {
    en: {
      one: '{type}, {range}. Newest: average {average}, maximum {max}, minimum {min}, {count} device.',
      other: '{type}, {range}. Newest: average {average}, maximum {max}, minimum {min}, {count} devices.',
    },
    zh: '{type}，{range}。最新：平均 {average}，最大 {max}，最小 {min}，{count} 台设备。',
  },
  chartEmpty: { en: '{type}, {range}. No readings.', zh: '{type}，{range}。没有读数。' },
  chartCaption: { en: '{type} · {range}', zh: '{type} · {range}' },
  tileRange: { en: '{min} – {max}', zh: '{min} – {max}' },

  statusTitle: { en: 'Device status', zh: '设备状态分布' },
  byType: { en: 'Devices by type', zh: '各类型设备' },
  statusLabel: { en: { one: '{count} device online, {offline} offline.', other: '{count} devices online, {offline} offline.' }, zh: '{count} 台设备在线，{offline} 台离线。' },

  streamTitle: { en: 'Live readings', zh: '实时读数' },
  building: { en: 'Building', zh: '楼栋' },
  allBuildings: { en: 'All buildings', zh: '全部楼栋' },
  searchId: { en: 'Search id…', zh: '搜索设备编号…' },
  pause: { en: 'Pause', zh: '暂停' },
  resume: { en: 'Resume', zh: '继续' },
  held: { en: 'Held for the mouse: {count} new', zh: '鼠标在列表上，已暂停：{count} 条新读数' },
  heldByKeyboard: { en: 'Held for the keyboard: {count} new', zh: '键盘焦点在列表中，已暂停：{count} 条新读数' },
  paused: { en: 'Paused, {count} new', zh: '已暂停，{count} 条新读数' },
  streamNote: { en: 'The newest {count} readings', zh: '最近 {count} 条读数' },
  streamEmpty: { en: 'Nothing has been read yet. Devices appear here with their first reading.', zh: '还没有读数。设备上报后会显示在这里。' },

  alertScope: { en: 'Which alerts', zh: '告警范围' },
  alertsAll: { en: 'Recent', zh: '最近' },
  alertsOpen: { en: 'Open', zh: '未恢复' },
  alertNote: { en: 'Open: {count} of {total}', zh: '未恢复：{count} / {total}' },
  noAlertsListed: { en: 'Nothing to report.', zh: '没有告警。' },
};

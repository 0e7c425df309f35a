// @ts-check

/** The words of what every page may use. */
export const texts = {
  connecting: { en: 'Connecting…', zh: '正在连接…' },
  silent: { en: 'No data', zh: '无数据' },
  retryIn: { en: 'retry in {seconds} s', zh: '{seconds} 秒后重试' },
  retryNow: { en: 'Retry now', zh: '立即重试' },

  staleDisconnected: { en: 'Disconnected. What is shown is {age} old.', zh: '连接已断开，显示的是 {age}前的数据。' },
  staleSilent: {
    en: 'Connected, but nothing has been received for {age}. What is shown may be out of date.',
    zh: '已连接，但 {age}没有收到数据，显示内容可能已过时。',
  },
  stale: { en: 'What is shown is out of date.', zh: '显示内容已过时。' },

  historyFailed: { en: 'The history could not be loaded: {reason}', zh: '历史数据加载失败：{reason}' },

  rangeLiveLong: { en: 'The last {count} windows', zh: '最近 {count} 个窗口' },
  rangeMinutes: { en: '{count}m', zh: '{count}分' },
  rangeMinutesLong: { en: { one: 'The last {count} minute', other: 'The last {count} minutes' }, zh: '最近 {count} 分钟' },
  rangeHours: { en: '{count}h', zh: '{count}时' },
  rangeHoursLong: { en: { one: 'The last {count} hour', other: 'The last {count} hours' }, zh: '最近 {count} 小时' },
  rangeDays: { en: '{count}d', zh: '{count}天' },
  rangeDaysLong: { en: { one: 'The last {count} day', other: 'The last {count} days' }, zh: '最近 {count} 天' },

  chart: { en: 'chart', zh: '图表' },
  series: { en: 'Series: hide or show', zh: '数据系列：隐藏或显示' },
  chartKeys: { en: '← →: values; + −: zoom; 0: everything; Esc: leave', zh: '← →：逐点查看；+ −：缩放；0：全部；Esc：退出' },
  rowKeys: { en: 'Arrow keys go from row to row.', zh: '使用方向键逐行移动。' },
  asTable: { en: 'Table', zh: '表格' },
  asTableHint: { en: 'Show the values of the chart as a table', zh: '以表格显示图表中的数值' },
  gap: { en: 'no readings', zh: '没有读数' },
  span: { en: '{from} – {to}', zh: '{from} – {to}' },
  spokenRow: { en: '{head}: {values}', zh: '{head}：{values}' },
  withUnit: { en: '{name} ({unit})', zh: '{name}（{unit}）' },
  zoomed: { en: 'Shown: {from} to {to}', zh: '显示 {from} 至 {to}' },
  zoomedOut: { en: 'Everything is shown', zh: '显示全部' },

  copy: { en: 'Copy', zh: '复制' },
  copied: { en: 'Copied', zh: '已复制' },
  copyFailed: { en: 'Not copied: choose the text and copy it yourself.', zh: '无法复制：请选中文本自行复制。' },

  ownLimit: { en: 'Own limit', zh: '自有阈值' },
  threshold: { en: 'Threshold', zh: '阈值' },
  announceRaised: { en: '{severity}: {words}, {device}', zh: '{severity}：{words}，{device}' },
  announceMany: { en: { one: '{count} new alert', other: '{count} new alerts' }, zh: '{count} 条新告警' },
};

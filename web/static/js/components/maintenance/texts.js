// @ts-check

/** The words of maintenance, during which people are not notified of the alerts of what is maintained. */
export const texts = {
  wholePlant: { en: 'The whole plant', zh: '整个工厂' },
  exceptScope: { en: 'except {scopes}', zh: '不包括 {scopes}' },
  runningUntil: { en: 'Until {time}', zh: '检修中，至 {time}' },
  plannedFrom: { en: 'From {from} until {until}', zh: '计划 {from} 至 {until}' },
  overSince: { en: 'Ended {time}', zh: '已于 {time} 结束' },
  neverPlanned: { en: 'No time is planned', zh: '没有计划时间' },
  weeklyTimes: { en: '{days} {from}–{until} ({zone})', zh: '{days} {from}–{until}（{zone}）' },
  everyDay: { en: 'Every day', zh: '每天' },
  mon: { en: 'Mon', zh: '周一' },
  tue: { en: 'Tue', zh: '周二' },
  wed: { en: 'Wed', zh: '周三' },
  thu: { en: 'Thu', zh: '周四' },
  fri: { en: 'Fri', zh: '周五' },
  sat: { en: 'Sat', zh: '周六' },
  sun: { en: 'Sun', zh: '周日' },

  quickKind: { en: 'What', zh: '对象' },
  quickArea: { en: 'An area', zh: '一个区域' },
  quickDevice: { en: 'A device', zh: '一台设备' },
  quickType: { en: 'A device type', zh: '一类设备' },
  quickValue: { en: 'Which', zh: '哪一个' },
  quickSpan: { en: 'For', zh: '时长' },
  quickReason: { en: 'Reason (optional)', zh: '原因（可选）' },
  quickBegin: { en: 'Begin maintenance', zh: '开始检修' },
  quickMissing: { en: 'Say which area, device or type.', zh: '请填写区域、设备或类型。' },
  quickBegun: { en: 'Maintenance has begun: nobody is notified of alerts of {what} until {time}.', zh: '检修已开始：在 {time} 之前不再通知{what}的告警。' },
  decidedLater: { en: 'Decided; it comes into force as soon as the processors have caught up.', zh: '已决定，待处理器跟上后生效。' },
  changedByOthers: { en: 'Not changed: somebody else has just changed this.', zh: '未更改：其他人刚刚更改了此项。' },

  underMaintenance: { en: 'Under maintenance until {time}: {name}', zh: '检修中，至 {time}：{name}' },
  maintenanceSoon: { en: 'Maintenance from {time}: {name}', zh: '将于 {time} 检修：{name}' },
  beginOfDevice: { en: 'Maintenance…', zh: '检修…' },
  beginOfDeviceTitle: { en: 'Maintenance of {device}', zh: '检修 {device}' },
  quickWhy: { en: 'Its alerts are raised and cleared as ever, but nobody is notified of them until then.', zh: '告警照常产生和恢复，但在此期间不通知任何人。' },
};

// @ts-check

/** The words of a device's own page. */
export const texts = {
  deviceLinks: { en: 'Other pages', zh: '其他页面' },
  backToDevices: { en: '← All devices', zh: '← 全部设备' },
  inOverview: { en: 'Show in the overview', zh: '在总览中显示' },
  nowTitle: { en: 'Now', zh: '当前' },
  deviceRetired: { en: 'retired', zh: '已停用' },
  deviceBehind: { en: 'behind {parent}', zh: '上级设备 {parent}' },

  deviceAlerts: { en: 'Alerts of this device', zh: '设备告警' },
  pastAlerts: { en: 'Past alerts', zh: '历史告警' },
  noPastAlerts: { en: 'No alert has been cleared.', zh: '没有已恢复的告警。' },
  olderAlerts: { en: 'Load older alerts', zh: '加载更早的告警' },

  entryTitle: { en: 'Registry', zh: '设备登记' },
  entryAreaHint: { en: 'site/building/line/machine', zh: '厂区/楼栋/产线/机台' },
  labelNameless: { en: 'A label has no name.', zh: '有标签没有名称。' },
  labelTwice: { en: 'The label {name} is there twice.', zh: '标签 {name} 重复。' },
  limitAbove: { en: '{severity} above', zh: '{severity}：高于' },
  limitBelow: { en: '{severity} below', zh: '{severity}：低于' },
  limitWrong: { en: 'The limit of {rule} is not a number.', zh: '{rule} 的阈值不是数字。' },
  entryUnit: { en: 'Values shown in', zh: '数值的显示单位' },
  entryInterval: { en: 'Expected interval', zh: '预期上报间隔' },
  entrySeconds: { en: 's', zh: '秒' },
  entryParent: { en: 'Parent, such as its gateway', zh: '上级设备（如网关）' },
  entryParentHint: { en: 'device id', zh: '设备 ID' },
  entryRetired: { en: 'Retired: raises no alerts, readings still count', zh: '停用：不再告警，读数仍计入统计' },

  save: { en: 'Save', zh: '保存' },
  saving: { en: 'Saving…', zh: '正在保存…' },
  saved: { en: 'Saved and in force.', zh: '已保存并生效。' },
  savedWaiting: { en: 'Saved. It comes into force by itself once the processor has caught up.', zh: '已保存；处理器跟上后自动生效。' },
  discard: { en: 'Discard changes', zh: '放弃更改' },
  conflict: {
    en: 'Not saved: somebody else has changed this device meanwhile. What you typed is kept; look at what is there now, and save again.',
    zh: '未保存：其他人在此期间更改了该设备。您输入的内容已保留；请查看现在的内容后再保存。',
  },
  changedByOther: { en: 'Somebody else has changed: {parts}.', zh: '其他人更改了：{parts}。' },
  changedUnsaved: {
    en: 'Somebody else has changed: {parts}. What you typed is kept and not saved yet.',
    zh: '其他人更改了：{parts}。您输入的内容已保留，尚未保存。',
  },

  forget: { en: 'Forget…', zh: '移除设备…' },
  forgetNow: { en: 'Forget', zh: '移除' },
  forgetTitle: { en: 'Forget {id}?', zh: '移除设备 {id}？' },
  forgetWords: {
    en: 'The device, its open alerts and its registry entry disappear. What it has sent and its past alerts stay in the archive. If it sends again, it is there again, without an entry.',
    zh: '设备、其未恢复告警和登记信息将消失；已上报的数据和历史告警仍保留在归档中。设备再次上报后会重新出现，但没有登记信息。',
  },
};

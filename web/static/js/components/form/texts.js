// @ts-check

/** The words of the fields of forms. */
export const texts = {
  unitSeconds: { en: 'seconds', zh: '秒钟' },
  unitMinutes: { en: 'minutes', zh: '分钟' },
  unitHours: { en: 'hours', zh: '小时' },
  unitDays: { en: 'days', zh: '天' },
  unitOf: { en: 'Unit: {name}', zh: '{name}的单位' },
  removeName: { en: 'Remove {name}', zh: '移除 {name}' },
  daysOfSpan: { en: 'Days on which it begins (none: every day)', zh: '开始于（不选：每天）' },
  fromOfSpan: { en: 'From', zh: '自' },
  toOfSpan: { en: 'To', zh: '至' },
  removeSpan: { en: 'Remove times {number}: {label}', zh: '移除{label}第 {number} 项' },
  spanNumber: { en: '{label}, times {number}', zh: '{label}，第 {number} 项' },
};

// @ts-check

/** The words of what people decide about devices. */
export const texts = {
  unavailable: {
    en: 'Nothing can be changed at the moment, because the database does not answer. Reading goes on.',
    zh: '数据库没有应答，暂时无法更改；查看不受影响。',
  },
  busy: { en: 'The database is busy with other changes. Try again.', zh: '数据库正忙于其他更改，请重试。' },
  notChanged: { en: 'Not changed: {reason}', zh: '未更改：{reason}' },
  unanswered: {
    en: 'The server has not answered: it is not known whether this was changed. Try again.',
    zh: '服务器没有应答：不确定是否已更改，请重试。',
  },
  changedMeanwhile: { en: 'Not changed: somebody else has changed this device meanwhile.', zh: '未更改：其他人在此期间更改了该设备。' },

  labelName: { en: 'Name of label {number}', zh: '标签 {number} 的名称' },
  labelValue: { en: 'Value of label {number}', zh: '标签 {number} 的值' },
  labelRemove: { en: 'Remove the label {name}', zh: '移除标签 {name}' },
  labelAdd: { en: 'Add a label', zh: '添加标签' },

  partName: { en: 'name', zh: '名称' },
  partArea: { en: 'area', zh: '区域' },
  partLabels: { en: 'labels', zh: '标签' },
  partLimits: { en: 'own limits', zh: '自有阈值' },
  partUnit: { en: 'unit', zh: '单位' },
  partInterval: { en: 'expected interval', zh: '预期上报间隔' },
  partRetired: { en: 'retired', zh: '停用' },
  partParent: { en: 'parent', zh: '上级设备' },
};

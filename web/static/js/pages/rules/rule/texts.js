// @ts-check

/** The words of an alert rule's own page. */
export const texts = {
  ruleLinks: { en: 'Where to go from this rule', zh: '相关页面' },
  backToRules: { en: '← All rules', zh: '← 全部规则' },
  itsAlerts: { en: { one: '{count} open alert', other: '{count} open alerts' }, zh: '{count} 条未恢复告警' },
  itsPastAlerts: { en: 'Its alerts', zh: '该规则的告警' },
  ruleUnknown: { en: 'There is no rule {name}.', zh: '没有规则 {name}。' },
  ruleFailed: { en: 'The rule could not be loaded: {reason}', zh: '规则加载失败：{reason}' },
  ruleTitle: { en: 'The rule', zh: '规则内容' },
  ruleIsDisabled: { en: 'Disabled: it watches nothing', zh: '已停用：不监视任何设备' },

  ofFile: { en: 'From the configuration file (alerts). What is changed here comes before the file from then on.', zh: '来自配置文件（alerts）。在此更改后，以此处的设定为准。' },
  ofPeople: { en: 'Decided here: {by}.', zh: '在此设定：{by}。' },
  noRuleVersions: { en: 'Nobody has decided anything about this rule.', zh: '尚无人设定过该规则。' },
  wasCreated: { en: 'Added', zh: '新增' },
  wasChanged: { en: 'Changed', zh: '更改' },
  wasDeleted: { en: 'Deleted', zh: '删除' },
  wasImported: { en: 'Imported', zh: '导入' },
  wasKept: { en: 'Kept', zh: '保留' },
  noDifference: { en: 'as before', zh: '内容未变' },
  partChange: { en: '{part}: {before} → {after}', zh: '{part}：{before} → {after}' },
};

// @ts-check

/** The words of the list of alert rules. */
export const texts = {
  rulesFailed: { en: 'The rules could not be loaded: {reason}', zh: '规则加载失败：{reason}' },
  noRuleAtAll: { en: 'There are no alert rules: nothing raises an alert.', zh: '没有告警规则：不会产生任何告警。' },
  rulesNoMatch: { en: 'No rule matches.', zh: '没有符合条件的规则。' },
  alertRules: { en: 'Alert rules', zh: '告警规则' },
  rulesCountOf: { en: '{count} of {total} rules', zh: '{total} 条规则中的 {count} 条' },
  newRuleLink: { en: 'New rule', zh: '新建规则' },
  rulesDisabled: { en: '{words}, {disabled} of them disabled', zh: '{words}，其中 {disabled} 条已停用' },
  ruleSearch: { en: 'Search name, area, message', zh: '搜索名称、区域、消息' },
  ruleKind: { en: 'Kind', zh: '种类' },
  ruleState: { en: 'State', zh: '状态' },
  anyKind: { en: 'All kinds', zh: '全部种类' },
  anyRuleState: { en: 'Any state', zh: '全部状态' },
  stateEnabled: { en: 'Enabled', zh: '已启用' },
  stateOpen: { en: 'Alerting now', zh: '正在告警' },
  stateDisabled: { en: 'Disabled', zh: '已停用' },
  clearRuleFilters: { en: 'Clear the filters of the rules', zh: '清除规则筛选' },
  ruleName: { en: 'Name of the rule', zh: '规则名称' },
  columnWhen: { en: 'Violated by', zh: '触发条件' },
  columnScope: { en: 'Watches', zh: '监视范围' },
  openHint: { en: { one: '{count} open alert of {rule}', other: '{count} open alerts of {rule}' }, zh: '{rule} 有 {count} 条未恢复告警' },
  watchesAll: { en: 'All: {type}', zh: '全部{type}' },
  watchesSome: { en: '{type}: {scope}', zh: '{type}：{scope}' },
  watchesEvery: { en: 'all devices', zh: '全部设备' },
  watchesExcept: { en: '{words}, with exceptions', zh: '{words}，有排除项' },
};

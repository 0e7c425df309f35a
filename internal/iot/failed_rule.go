package iot

import "strings"

// failedSuffix ends the names of the alerts that say that a rule fails.
const failedSuffix = ".rule_failed"

// maxAlertRule is the maximum length of Alert.Rule in bytes.
const maxAlertRule = MaxRuleName + len(failedSuffix)

// FailedRule returns the Alert.Rule of the alert which says that a rule fails on a device: it cannot judge the device's readings.
func FailedRule(rule string) string { return rule + failedSuffix }

// FailedRuleOf returns the rule that fails, by the Alert.Rule of such an alert; false if the alert is another one.
func FailedRuleOf(alertRule string) (rule string, failed bool) {
	return strings.CutSuffix(alertRule, failedSuffix)
}

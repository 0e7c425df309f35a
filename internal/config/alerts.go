package config

import (
	"slices"
	"time"
)

// Off switches a built-in alert off.
const Off = "off"

// Alerts says what raises an alert. The fields before Rules are the built-in rules.
type Alerts struct {
	// The thresholds are in the unit of the device type; nil is off.
	TemperatureHigh     *float64 `koanf:"temperature_high"`
	HumidityHigh        *float64 `koanf:"humidity_high"`
	PressureHigh        *float64 `koanf:"pressure_high"`
	TemperatureCritical *float64 `koanf:"temperature_critical"`
	// DeviceOffline is the severity of a device that falls silent, or Off.
	DeviceOffline string `koanf:"device_offline" null:"off"`
	Rules         []Rule `koanf:"rules"`
}

// Rule raises an alert for every device of a type whose value is beyond a threshold. Exactly one of Above and Below is
// set, but for the built-in rule device_offline, which has neither and no device type.
type Rule struct {
	Name       string   `koanf:"name"`
	DeviceType string   `koanf:"device_type"`
	Severity   string   `koanf:"severity"`
	Above      *float64 `koanf:"above"`
	Below      *float64 `koanf:"below"`
	// Hysteresis is how far on the safe side of the threshold a value must lie before the alert clears.
	Hysteresis float64 `koanf:"hysteresis"`
	// For is how long values must violate before the alert is raised, ClearFor how long they must be safe before it clears.
	For      time.Duration `koanf:"for"`
	ClearFor time.Duration `koanf:"clear_for"`
}

// MaxRules bounds the rules of one device type.
const MaxRules = 100

// All returns every rule that is on: the built-in ones first.
func (a *Alerts) All() []Rule {
	rules := []Rule{
		{Name: "temperature_high", DeviceType: "temperature_sensor", Severity: "warning", Above: a.TemperatureHigh, Hysteresis: 0.5},
		{Name: "humidity_high", DeviceType: "humidity_sensor", Severity: "warning", Above: a.HumidityHigh, Hysteresis: 2},
		{Name: "pressure_high", DeviceType: "pressure_sensor", Severity: "warning", Above: a.PressureHigh, Hysteresis: 2},
		{Name: "temperature_critical", DeviceType: "temperature_sensor", Severity: "critical", Above: a.TemperatureCritical, Hysteresis: 0.5},
	}
	rules = slices.DeleteFunc(rules, func(r Rule) bool { return r.Above == nil })
	if a.DeviceOffline != Off {
		rules = append(rules, Rule{Name: "device_offline", Severity: a.DeviceOffline})
	}
	return append(rules, a.Rules...)
}

// builtinTypes lists the device types that every system knows. It repeats the names in package iot, which this package
// does not import; a test holds the two together.
func builtinTypes() []string {
	return []string{"temperature_sensor", "humidity_sensor", "pressure_sensor", "current_sensor", "switch_sensor"}
}

// knownTypes lists the built-in device types and those that the configuration adds.
func (c *Config) knownTypes() []string {
	types := builtinTypes()
	for _, t := range c.DeviceTypes {
		types = append(types, t.Name)
	}
	return types
}

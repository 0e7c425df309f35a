package opcua

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"iotmon/internal/mapping"
)

// TagNode and TagNamespace are the tags of each value: the id of its node, as it is configured or else with the namespace's URI, and that URI.
const TagNode, TagNamespace = "node", "namespace"

// item is a variable that is subscribed to. It belongs to the goroutine of Run.
type item struct {
	// name is that of a configured node, zero if the variable was found by browsing.
	name NodeName
	// node is the variable's id in the present connection; kind 0 if its namespace is unknown.
	node         nodeID
	topic, field string
	tags         map[string]string
	unit         string
	sampling     time.Duration
	deadband     deadband
	// heartbeat is after how long a good value is sent again; 0 means never.
	heartbeat time.Duration

	// subscription monitors the item as the given id; nil if no subscription does, because of failure.
	subscription *subscription
	id           uint32
	failure      string

	// last is the last value, as it was sent, if it may be sent again: it is good.
	last []mapping.Point
	// lag is how long before the server published it the last change was, sent when the last value was sent, by the server's clock.
	lag  time.Duration
	sent time.Time
	// first is whether the next value is the first one since the item is monitored.
	first bool
}

// deadband is how far a value must change to be reported: an amount, or percent of the range that the server knows. The zero deadband reports
// every change.
type deadband struct {
	amount  float64
	percent bool
}

// parseDeadband parses a number, or a number with a percent sign; empty is none.
func parseDeadband(text string) (deadband, bool) {
	number, percent := strings.CutSuffix(text, "%")
	if text == "" {
		return deadband{}, true
	}
	amount, err := strconv.ParseFloat(number, 64)
	ok := err == nil && amount >= 0 && !math.IsInf(amount, 0) && (!percent || amount <= 100)
	return deadband{amount, percent}, ok
}

// ValidDeadband reports whether a text is a deadband: a number such as 0.5, or percent of the server's range such as 1%.
func ValidDeadband(text string) bool {
	_, ok := parseDeadband(text)
	return ok
}

func (d deadband) filter() *ua.ExtensionObject {
	if d.amount == 0 {
		return nil
	}
	kind := uint32(ua.DeadbandTypeAbsolute)
	if d.percent {
		kind = uint32(ua.DeadbandTypePercent)
	}
	return &ua.ExtensionObject{
		TypeID: ua.NewFourByteExpandedNodeID(0, id.DataChangeFilter_Encoding_DefaultBinary), EncodingMask: ua.ExtensionObjectBinary,
		Value: &ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValue, DeadbandType: kind, DeadbandValue: d.amount},
	}
}

// topicOf returns an identifier with slashes between its levels, such as Line1/Temp for Line1.Temp or "Line1"."Temp".
func topicOf(n nodeID) string {
	if n.kind != 's' {
		n.namespace = 0 // Its name is not part of the topic.
		return n.String()
	}
	return strings.ReplaceAll(strings.ReplaceAll(n.text, `"`, ""), ".", "/")
}

// fieldOf returns the last level of a topic.
func fieldOf(topic string) string { return topic[strings.LastIndexByte(topic, '/')+1:] }

// time returns when a value was measured: by its source, or else by the server; zero if neither says.
func (d *dataValue) time() time.Time {
	if d.source.IsZero() {
		return d.server
	}
	return d.source
}

// flatten makes points of a notification, and appends them to those given.
func (it *item) flatten(ctx context.Context, f *flattener, d *dataValue, points []mapping.Point) error {
	*f = flattener{types: f.types, elements: f.elements, points: points, left: maxElements, base: mapping.Point{
		Topic: it.topic, Field: it.field, Tags: it.tags, Unit: it.unit, Quality: quality(d.status), Time: d.time(), Interval: it.heartbeat,
	}}
	return f.add(ctx, &d.value, "")
}

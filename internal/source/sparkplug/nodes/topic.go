package nodes

import (
	"fmt"
	"strings"

	"iotmon/internal/iot"
)

// Namespace is the first level of all topics.
const Namespace = "spBv1.0"

// kind is the type of a message.
type kind uint8

const (
	nodeBirth kind = iota
	nodeDeath
	nodeData
	deviceBirth
	deviceDeath
	deviceData
	command
)

var kinds = map[string]kind{
	"NBIRTH": nodeBirth, "NDEATH": nodeDeath, "NDATA": nodeData, "DBIRTH": deviceBirth, "DDEATH": deviceDeath, "DDATA": deviceData,
	"NCMD": command, "DCMD": command,
}

// ofDevice reports whether topics of the type end with a device.
func (k kind) ofDevice() bool { return k == deviceBirth || k == deviceDeath || k == deviceData }

// topic is a topic in its parts.
type topic struct {
	kind        kind
	group, node string
	device      string
}

// parseTopic splits the topic of a message. The error is an *iot.InvalidError.
func parseTopic(text string) (topic, error) {
	rest, ok := strings.CutPrefix(text, Namespace+"/")
	group, rest, more := strings.Cut(rest, "/")
	name, rest, also := strings.Cut(rest, "/")
	if !ok || !more || !also {
		return topic{}, iot.Invalid("topic", "not a topic of Sparkplug B")
	}
	k, known := kinds[name]
	if !known {
		return topic{}, iot.Invalid("topic", "unknown type of message %s", iot.Quote(name))
	}
	node, device, hasDevice := strings.Cut(rest, "/")
	if k == command {
		return topic{kind: k}, nil
	}
	if group == "" || node == "" || hasDevice != k.ofDevice() || hasDevice && (device == "" || strings.Contains(device, "/")) {
		return topic{}, iot.Invalid("topic", "%s needs a group, an edge node and %s", name, map[bool]string{true: "a device", false: "no device"}[k.ofDevice()])
	}
	if len(text) > maxTopic {
		return topic{}, iot.Invalid("topic", "longer than %d bytes", maxTopic)
	}
	return topic{kind: k, group: group, node: node, device: device}, nil
}

// maxTopic is the maximum length of a topic in bytes.
const maxTopic = 1024

// CommandTopic returns the topic of commands to an edge node.
func CommandTopic(group, node string) string {
	return fmt.Sprintf("%s/%s/NCMD/%s", Namespace, group, node)
}

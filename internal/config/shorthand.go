package config

import (
	"fmt"
	"net"
	"strconv"
)

// expand replaces the two short forms: server.port sets the port of server.addr and keeps the host of the lower layers, and
// kafka.topics sets kafka.topic and kafka.alerts_topic. A short and a long form in the same source must agree.
func (l *layer) expand(addr string) error {
	var wrong problems
	l.expandPort(addr, &wrong)
	l.expandTopics(&wrong)
	return wrong.err()
}

func (l *layer) expandPort(addr string, wrong *problems) {
	port, ok := l.values["server.port"].(int)
	if !ok {
		return
	}
	source := l.sources["server.port"]
	if own, ok := l.values["server.addr"].(string); ok {
		if p, err := portOf(own); err == nil && p != port {
			wrong.add(source, "server.port", "is %d but server.addr is %s; set one of the two", port, own)
		}
		return
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return // The address is invalid, which validation reports.
	}
	l.set("server.addr", joinPort(host, port), source)
}

func (l *layer) expandTopics(wrong *problems) {
	topics, ok := l.values["kafka.topics"].([]any)
	if !ok {
		return
	}
	source := l.sources["kafka.topics"]
	if len(topics) == 0 || len(topics) > 2 {
		wrong.add(source, "kafka.topics", "must name the topic of the readings and that of the alerts (got %d names)", len(topics))
		return
	}
	for i, key := range []string{"kafka.topic", "kafka.alerts_topic"}[:len(topics)] {
		if own, ok := l.values[key]; ok && own != topics[i] {
			wrong.add(source, "kafka.topics", "names %v where %s says %v; set one of the two", topics[i], key, own)
			continue
		}
		l.set(key, topics[i], source)
	}
}

func joinPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// portOf returns the port of host:port.
func portOf(addr string) (int, error) {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("port %q is not a number from 0 to 65535", text)
	}
	return int(port), nil
}

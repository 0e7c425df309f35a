package broker

import "strings"

// Permission says what a user may do. In its topics, {{username}} and {{client_id}} stand for those of the client.
type Permission struct {
	// User is the name of a user, or * for everybody.
	User string
	// Publish and Subscribe are filters of topics.
	Publish, Subscribe []string
}

// rights are what a client may do. nil is everything.
type rights struct{ publishTo, subscribeTo []string }

func newRights(all []Permission, username, clientID string) *rights {
	if all == nil {
		return nil
	}
	r := new(rights)
	for _, p := range all {
		if p.User == "*" || p.User == username && username != "" {
			r.publishTo = appendFilters(r.publishTo, p.Publish, username, clientID)
			r.subscribeTo = appendFilters(r.subscribeTo, p.Subscribe, username, clientID)
		}
	}
	return r
}

// appendFilters appends the filters of a client. Names that would mean other levels than their own, or none, give no right.
func appendFilters(to, filters []string, username, clientID string) []string {
	for _, filter := range filters {
		if strings.Contains(filter, "{{username}}") && !oneLevel(username) || strings.Contains(filter, "{{client_id}}") && !oneLevel(clientID) {
			continue
		}
		filter = strings.NewReplacer("{{username}}", username, "{{client_id}}", clientID).Replace(filter)
		to = append(to, filter)
	}
	return to
}

// oneLevel reports whether a name is one level of a topic.
func oneLevel(name string) bool { return name != "" && !strings.ContainsAny(name, "/+#$\x00") }

// publish reports whether the client may publish on a topic.
func (r *rights) publish(topic string) bool {
	if r == nil {
		return true
	}
	for _, filter := range r.publishTo {
		if Matches(filter, topic) {
			return true
		}
	}
	return false
}

// subscribe reports whether the client may have everything that a filter matches.
func (r *rights) subscribe(filter string) bool {
	if r == nil {
		return true
	}
	for _, allowed := range r.subscribeTo {
		if covers(allowed, filter) {
			return true
		}
	}
	return false
}

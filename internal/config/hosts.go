package config

import (
	"cmp"
	"fmt"
	"strings"
)

// hosts replaces the placeholders <KAFKA_HOST> and <MIDDLEWARE_HOST> by the environment variables of the same names. Both
// are the host of the middleware: if only one is set, it is used for both.
type hosts struct{ kafka, middleware string }

func (h hosts) fill(text string) (string, error) {
	for _, p := range []struct{ name, value string }{
		{"KAFKA_HOST", cmp.Or(h.kafka, h.middleware)},
		{"MIDDLEWARE_HOST", cmp.Or(h.middleware, h.kafka)},
	} {
		placeholder := "<" + p.name + ">"
		if !strings.Contains(text, placeholder) {
			continue
		}
		if p.value == "" {
			return "", fmt.Errorf("%s stands for a host that is not known: set %s in the environment or in .env, or write the host here", placeholder, p.name)
		}
		text = strings.ReplaceAll(text, placeholder, p.value)
	}
	return text, nil
}

package mapping

import (
	"errors"
	"fmt"
	"regexp"

	"iotmon/internal/iot"
)

// Reason is why a message or a value of it is no reading, for those who say it in another language than its text: by a code, and the arguments by
// their names. The zero Reason is one without a code.
type Reason struct {
	Code      string
	Arguments map[string]string
}

// argumentIn is the argument with the name of the value that a reason is about, where a message has several.
const argumentIn = "in"

// verb is a verb of a format.
var verb = regexp.MustCompile(`%[ +#0-9]*[a-zA-Z]`)

// ReasonOf returns the reason of an error. Those that are not in the table, such as the errors of a library, have no code.
func ReasonOf(err error) Reason {
	invalid, ok := errors.AsType[*iot.InvalidError](err)
	if !ok {
		return Reason{}
	}
	format, args, of := invalid.Parts()
	known, ok := reasonFormats[format]
	if !ok {
		return Reason{}
	}
	r := Reason{Code: known.code}
	if len(args) > 0 || of != "" {
		r.Arguments = make(map[string]string, len(args)+1)
	}
	for i, verb := range verb.FindAllString(format, -1) {
		r.Arguments[known.names[i]] = fmt.Sprintf(verb, args[i])
	}
	if of != "" {
		r.Arguments[argumentIn] = of
	}
	return r
}

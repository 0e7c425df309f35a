package opcua

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"iotmon/internal/iot"
)

// WriteConfiguration writes the configuration of a source, in YAML, with what List has found: each variable that can be a reading as a node with
// a device, its type and its unit, and what it has now as a comment. typeOf says what the values of a variable are; where it says
// nothing people choose, and the node is a comment until then, with TYPE as its type. Variables that cannot be readings are comments, too.
func WriteConfiguration(to io.Writer, o Options, found []Found, truncated string, typeOf func(f *Found) iot.DeviceType) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %d variables\n", len(found))
	if truncated != "" {
		fmt.Fprintf(&b, "# %s\n", line(truncated))
	}
	b.WriteString("# Nodes behind \"# -\" may be anything: remove the # and put a type in place of TYPE.\n")
	fmt.Fprintf(&b, "sources:\n  - name: %s\n    opcua:\n      endpoint: %s\n      security: %s\n", quote(o.Name), quote(o.Endpoint), quote(o.Security))
	for _, setting := range [...][2]string{
		{"user", o.User}, {"password_file", o.PasswordFile}, {"user_cert_file", o.UserCertFile}, {"user_key_file", o.UserKeyFile},
		{"cert_file", o.CertFile}, {"key_file", o.KeyFile}, {"trust", o.Trust},
	} {
		if setting[1] != "" {
			fmt.Fprintf(&b, "      %s: %s\n", setting[0], quote(setting[1]))
		}
	}
	b.WriteString("      nodes:\n")
	for i := range found {
		f := &found[i]
		about := fmt.Sprintf("%s: %s %s", f.Path, f.DataType, cmp.Or(f.Value, "without a value"))
		if f.Range != nil {
			about += fmt.Sprintf(", from %v to %v", f.Range.Low, f.Range.High)
		}
		if f.Status != "" {
			about += ", " + f.Status
		}
		if !f.numeric() {
			fmt.Fprintf(&b, "        # {node: %s}  # %s\n", quote(f.Node), line(about))
			continue
		}
		device := strings.ToLower(strings.ReplaceAll(f.Path, "/", "-"))
		if kind := typeOf(f); kind != "" {
			fmt.Fprintf(&b, "        - {node: %s, device: %s, type: %s", quote(f.Node), quote(device), quote(string(kind)))
		} else {
			fmt.Fprintf(&b, "        # - {node: %s, device: %s, type: TYPE", quote(f.Node), quote(device))
		}
		if f.Unit != "" {
			fmt.Fprintf(&b, ", unit: %s", quote(f.Unit))
		}
		fmt.Fprintf(&b, "}  # %s\n", line(about))
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// numeric reports whether the variable is one number.
func (f *Found) numeric() bool {
	switch f.DataType {
	case "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double":
		return true
	}
	_, err := strconv.ParseFloat(f.Value, 64)
	return err == nil && !strings.HasSuffix(f.DataType, "[]") && f.DataType != "String"
}

// quote returns a text as a YAML string in double quotes, whose escapes are those of JSON and Go for what a server can send.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// line returns a text without what would end a comment or change a terminal.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return shorten(text)
}

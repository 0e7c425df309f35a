package testenv

import (
	"strings"
	"testing"
)

// NodeModules returns the directory of the modules of a package of npm in which a server is written, such as sparkplug-client. The first call on a
// machine installs the package.
func NodeModules(t testing.TB, name string) string {
	t.Helper()
	skip(t)
	output, err := script("", nil, "node", name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(output)
}

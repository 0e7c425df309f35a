package testenv

import (
	"strings"
	"testing"
)

// Python returns the path of a Python that has a package in which a server is written, such as pymodbus. The first call on a machine
// installs the package.
func Python(t testing.TB, name string) string {
	t.Helper()
	skip(t)
	output, err := script("", nil, "python", name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(output)
}

package opcua_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source/opcua"
)

// back is how long a source may take to receive again when the cause of a failure has ended.
const back = 10 * time.Second

// connected waits until the source has received a value of the device.
func (r *running) connected(device string) {
	r.t.Helper()
	r.within(20*time.Second, "values of "+device, func() bool { return len(r.of(device)) > 0 })
}

func TestOnlyTrustedServersAndKnownUsersConnect(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			s := p.shared(t)
			o := newOptions(t, s.endpoint(), "Counter")
			o.Security, o.User, o.PasswordFile = "Basic256Sha256/SignAndEncrypt", user, filepath.Join(t.TempDir(), "password")
			write(t, o.PasswordFile, "wrong\n")
			r := run(t, o)
			r.within(back, "the certificate is refused", func() bool { return strings.Contains(r.status.Snapshot().Error, "SHA-1 thumbprint") })
			kept, err := filepath.Glob(filepath.Join(o.Refused, "*.der"))
			if err != nil || len(kept) != 1 || !strings.Contains(r.status.Snapshot().Error, kept[0]) {
				t.Fatalf("got the files %v, %v and the status %q", kept, err, r.status.Snapshot().Error)
			}
			trust(t, o.Trust, kept[0])
			r.within(back, "the password is refused", func() bool { return strings.Contains(r.status.Snapshot().Error, "logging in: Bad") })
			write(t, o.PasswordFile, password+"\n")
			r.connected("Counter")
			if err := opcua.Renew(t.Context(), another(t, o)); err != nil {
				t.Errorf("renewing the token: %v", err)
			}
			o.Security = "Basic256Sha256/Sign"
			if err := opcua.Renew(t.Context(), another(t, o)); err != nil {
				t.Errorf("signed, but not encrypted: %v", err)
			}
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// trust puts a certificate into a trust list.
func trust(t *testing.T, directory, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(directory, filepath.Base(file)), string(content))
}

// another returns another adapter with the same options.
func another(t *testing.T, o opcua.Options) *opcua.Adapter {
	t.Helper()
	a, err := opcua.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestADeadbandHoldsBackSmallChanges(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			s := p.shared(t)
			o := newOptions(t, s.endpoint(), "Held", "Bool") // A boolean has no deadband, but values.
			o.Deadband = "2"
			r := run(t, o)
			r.connected("Held")
			r.connected("Bool")
			s.do(t, "write Held 1")
			time.Sleep(500 * time.Millisecond)
			s.do(t, "write Held 9")
			r.within(back, "the value 9", func() bool { return r.has("Held", 9) })
			if r.has("Held", 1) {
				t.Error("got a change of 1 although the deadband is 2")
			}
		})
	}
}

func TestAValueThatDoesNotChangeIsAReadingAgain(t *testing.T) {
	t.Parallel()
	s := asyncua.shared(t)
	o := newOptions(t, s.endpoint(), "Beaten", "Bad")
	o.Heartbeat = time.Second
	r := run(t, o)
	r.connected("Beaten")
	s.do(t, "write Beaten 3")
	r.within(back, "three readings of 3", func() bool {
		var same []iot.Reading
		for _, reading := range r.of("Beaten") {
			if reading.Value == 3 {
				same = append(same, reading)
			}
		}
		for i := 1; i < len(same); i++ {
			if since := same[i].Time.Sub(same[i-1].Time); since <= 0 || since > 5*time.Second {
				t.Fatalf("got a reading %v after the last one", since)
			}
		}
		return len(same) >= 3
	})
	if bad := r.of("Bad"); len(bad) > 0 {
		t.Errorf("got %v of a value that is bad", bad)
	}
}

func TestANodeThatIsMissingIsShownAndTriedAgain(t *testing.T) {
	t.Parallel()
	s := asyncua.shared(t)
	o := newOptions(t, s.endpoint(), "Counter", "Late")
	r := run(t, o, "Late")
	r.connected("Counter")
	r.within(back, "the missing node is shown", func() bool {
		seen := r.status.Snapshot().Error
		return strings.Contains(seen, "1 of 2 nodes") && strings.Contains(seen, "s=Line1.Late: BadNodeIdUnknown")
	})
	s.do(t, "create Late")
	r.within(back, "its value", func() bool { return r.has("Late", 1) })
}

package opcua_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"iotmon/internal/source/opcua"
)

// TestARefusedCertificateIsFoundWholeOrNotAtAll has an operator copy a certificate at the moment when a server is refused, for the first time and again.
func TestARefusedCertificateIsFoundWholeOrNotAtAll(t *testing.T) {
	certificate := bytes.Repeat([]byte("certificate"), 200)
	for range 20 {
		directory := filepath.Join(t.TempDir(), "refused")
		var refusing sync.WaitGroup
		for range 2 { // Two sources with the same directory.
			refusing.Go(func() {
				for range 20 {
					if !opcua.Keep(filepath.Join(directory, "a.der"), certificate) {
						t.Error("the certificate is not kept")
					}
				}
			})
		}
		over := make(chan struct{})
		go func() { refusing.Wait(); close(over) }()
		for reading := true; reading; {
			select {
			case <-over:
				reading = false
			default:
			}
			files, err := filepath.Glob(filepath.Join(directory, "*.der"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, certificate) {
					t.Fatalf("%s: got %d bytes, %v; want all %d", file, len(got), err, len(certificate))
				}
			}
		}
	}
}

package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// With few devices the page cache must not fill up with pages that are never written again. With many devices a batch must not
// read all its pages again.
func TestTheWritersCacheFitsTheDevices(t *testing.T) {
	for _, test := range []struct{ devices, least, most int }{{0, 1024, 1024}, {100, 1024, 2048}, {1000, 4096, 8192}, {5000, 8192, 8192}} {
		t.Run(fmt.Sprint(test.devices), func(t *testing.T) {
			s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "iotmon.db"), ReadingsTopic: "device-data"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var batch archive.Batch
			for i := range test.devices {
				batch.Readings = append(batch.Readings, archive.Reading{
					Device: &iot.Device{ID: iot.DeviceID(fmt.Sprint("device-", i)), Type: iot.Temperature}, Time: time.UnixMicro(1),
				})
			}
			for range 2 { // The second is written by the cache that the first asks for.
				if err := s.Write(t.Context(), &batch); err != nil {
					t.Fatal(err)
				}
			}
			var size int
			if err := s.writer.QueryRowContext(t.Context(), "PRAGMA cache_size").Scan(&size); err != nil {
				t.Fatal(err)
			}
			if -size < test.least || -size > test.most {
				t.Errorf("got a cache of %d KiB, want %d to %d", -size, test.least, test.most)
			}
		})
	}
}

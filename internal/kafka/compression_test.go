package kafka

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestLZ4BlocksAreSmall(t *testing.T) {
	src := bytes.Repeat([]byte(`{"device_id":"temperature_001","value":21.5}`), 10_000)
	var dst bytes.Buffer
	compressed, codec := smallBlocks.Compress(&dst, src)
	if codec != kgo.CodecLz4 {
		t.Fatalf("got codec %d, want LZ4", codec)
	}
	// The second byte of the frame's descriptor; https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md.
	const blockSize, kib64 = 5, 4
	if size := compressed[blockSize] >> 4 & 7; size != kib64 {
		t.Errorf("got block size %d in the frame's descriptor, want %d, which is 64 KiB", size, kib64)
	}
	got, err := kgo.DefaultDecompressor().Decompress(compressed, codec)
	if err != nil || !bytes.Equal(got, src) {
		t.Errorf("decompressed to %d bytes, %v, want the original %d", len(got), err, len(src))
	}
}

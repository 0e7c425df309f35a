package kafka

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// compression returns the producer option for the codec with that name; "" means lz4.
func compression(name string) (kgo.ProducerOpt, error) {
	var codec kgo.CompressionCodec
	switch name {
	case "", "lz4":
		return LZ4(), nil
	case "snappy":
		codec = kgo.SnappyCompression()
	case "zstd":
		codec = kgo.ZstdCompression()
	case "gzip":
		codec = kgo.GzipCompression()
	case "none":
		codec = kgo.NoCompression()
	default:
		return nil, fmt.Errorf("compression: unknown codec %q (allowed: lz4, snappy, zstd, gzip, none)", name)
	}
	return kgo.ProducerBatchCompression(codec, kgo.NoCompression()), nil
}

// lz4Blocks compresses to LZ4 frames with blocks of 64 KiB, as the Java client does. A consumer allocates a whole block to
// decompress a frame, and kgo's own compressor declares blocks of 4 MiB however small the batch is.
type lz4Blocks struct{ writers sync.Pool }

var smallBlocks kgo.Compressor = &lz4Blocks{writers: sync.Pool{New: func() any {
	w := lz4.NewWriter(nil)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
		panic(err) // The options are constants.
	}
	return w
}}}

// LZ4 returns the producer option to compress with LZ4 in blocks of 64 KiB.
func LZ4() kgo.ProducerOpt { return kgo.WithCompressor(smallBlocks) }

// Compress implements kgo.Compressor. Kafka's batch has a checksum, so the frame has none.
func (c *lz4Blocks) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	w := c.writers.Get().(*lz4.Writer)
	defer c.writers.Put(w)
	w.Reset(dst)
	if _, err := w.Write(src); err != nil {
		return nil, kgo.CodecError
	}
	if err := w.Close(); err != nil {
		return nil, kgo.CodecError
	}
	return dst.Bytes(), kgo.CodecLz4
}

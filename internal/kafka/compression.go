package kafka

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// compression returns the option for the codec of that name; "" is lz4.
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

// lz4Blocks compresses to LZ4 frames of 64 KiB blocks, as the Java client does. Whoever decompresses a frame, here or
// elsewhere, takes memory for a whole block; kgo's own compressor promises blocks of 4 MiB whatever the batch.
type lz4Blocks struct{ writers sync.Pool }

var smallBlocks kgo.Compressor = &lz4Blocks{writers: sync.Pool{New: func() any {
	w := lz4.NewWriter(nil)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
		panic(err) // The options are constants.
	}
	return w
}}}

// LZ4 returns the option that has a producer compress to frames of small blocks.
func LZ4() kgo.ProducerOpt { return kgo.WithCompressor(smallBlocks) }

// Compress implements kgo.Compressor. A batch has a checksum of its own, so the frame needs none.
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

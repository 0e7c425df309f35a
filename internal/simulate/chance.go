package simulate

import "math"

// key is the root of everything random about one device.
type key uint64

// stream separates the uses of a key, so that no two of them are correlated.
type stream uint64

const (
	streamIdentity stream = iota + 1
	streamRoom
	streamProcess
	streamNoise
	streamState
	streamBattery
	streamSpike
	streamOffline
	streamDrift
	streamStick
	streamExcursion
)

// deviceKey returns the key of the device with the given number under a seed.
func deviceKey(seed uint64, number int) key {
	return key(mix(mix(seed) ^ uint64(number)))
}

// at returns 64 random bits for the n-th slot of a stream: the same ones whenever it is asked.
func (k key) at(s stream, n int64) uint64 {
	return mix(uint64(k) ^ mix(uint64(s)<<56^uint64(n)))
}

// unit returns a number in [0, 1) for the n-th slot of a stream.
func (k key) unit(s stream, n int64) float64 { return unit(k.at(s, n)) }

// between returns a number in [low, high) for the n-th slot of a stream.
func (k key) between(s stream, n int64, low, high float64) float64 {
	return low + (high-low)*k.unit(s, n)
}

// normal returns a normally distributed number with mean 0 and deviation 1 for the n-th slot of a stream. It is the
// Box-Muller transform of the two halves of one hash and never leaves ±6.7.
func (k key) normal(s stream, n int64) float64 {
	bits := k.at(s, n)
	radius := (float64(bits>>32) + 1) / (1 << 32)
	angle := float64(uint32(bits)) / (1 << 32)
	return math.Sqrt(-2*math.Log(radius)) * math.Cos(2*math.Pi*angle)
}

// unit maps 64 random bits to [0, 1).
func unit(bits uint64) float64 { return float64(bits>>11) / (1 << 53) }

// mix is the finalizer of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
// generators", 2014): a bijection in which every bit of x reaches every bit of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

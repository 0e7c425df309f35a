package opcua

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// changeSize is how many bytes a value change is in a response: a double with the time of the source and that of the server.
const changeSize = 30

// BenchmarkProtection is what encryption adds to a received change: a response of so many changes is decrypted and verified, and the request that asks
// for the next one is signed and encrypted.
func BenchmarkProtection(b *testing.B) {
	for _, policy := range []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep"} {
		for _, mode := range []string{"Sign", "SignAndEncrypt"} {
			for _, changes := range []int{1000, 10} {
				b.Run(fmt.Sprintf("%s/%s/%d", policy, mode, changes), func(b *testing.B) {
					nonce := bytes.Repeat([]byte{7}, 32)
					by, err := uapolicy.Symmetric(ua.SecurityPolicyURIPrefix+policy, nonce, nonce)
					if err != nil {
						b.Fatal(err)
					}
					encrypt := strings.HasSuffix(mode, "Encrypt")
					chunk := func(size int) []byte { return bytes.Repeat([]byte{1}, symmetricHeader+sequenceHeader+size) }
					response, err := protect(chunk(100+changes*changeSize), symmetricHeader, by, encrypt)
					if err != nil {
						b.Fatal(err)
					}
					received := make([]byte, len(response))
					b.ReportAllocs()
					for b.Loop() {
						copy(received, response)
						if _, err := unprotect(received, symmetricHeader, by, encrypt); err != nil {
							b.Fatal(err)
						}
						if _, err := protect(chunk(100), symmetricHeader, by, encrypt); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*changes), "ns/change")
				})
			}
		}
	}
}

package opcua

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gopcua/opcua/uapolicy"

	"iotmon/internal/iot"
)

// identity is a certificate with its key.
type identity struct {
	// certificate is in DER, followed by those of its chain.
	certificate []byte
	key         *rsa.PrivateKey
	// uri is the application's URI in the certificate.
	uri string
}

// loadIdentity loads a certificate and its key, each in PEM or DER.
func loadIdentity(certificateFile, keyFile string) (*identity, error) {
	key, err := loadKey(keyFile)
	if err != nil {
		return nil, err
	}
	chain, err := loadCertificates(certificateFile)
	if err != nil {
		return nil, err
	}
	if public, ok := chain[0].PublicKey.(*rsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return nil, fmt.Errorf("%s is not the certificate of the key %s", certificateFile, keyFile)
	}
	found := &identity{key: key}
	for _, certificate := range chain {
		found.certificate = append(found.certificate, certificate.Raw...)
	}
	if len(chain[0].URIs) > 0 {
		found.uri = chain[0].URIs[0].String()
	}
	return found, nil
}

func loadKey(file string) (*rsa.PrivateKey, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(content); block != nil {
		content = block.Bytes
	}
	if key, err := x509.ParsePKCS1PrivateKey(content); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: the security policies of OPC UA need an RSA key", file)
	}
	return key, nil
}

// loadCertificates loads one or more certificates. The file must have at least one.
func loadCertificates(file string) ([]*x509.Certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var der []byte
	for rest := content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			der = append(der, block.Bytes...)
		}
	}
	if der == nil {
		der = content
	}
	all, err := x509.ParseCertificates(der)
	if err == nil && len(all) == 0 {
		err = errors.New("no certificate in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

// makeIdentity makes a key and a certificate for it where they are missing. Another process may do the same at the same time: the first file wins.
func makeIdentity(certificateFile, keyFile string) error {
	const bits = 2048
	if _, err := os.Stat(certificateFile); err == nil {
		return nil
	}
	key, err := loadKey(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			return err
		}
		if err = create(keyFile, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), 0o600); err == nil {
			key, err = loadKey(keyFile)
		}
	}
	if err != nil {
		return err
	}
	certificate, err := selfSigned(key)
	if err != nil {
		return err
	}
	return create(certificateFile, "CERTIFICATE", certificate, 0o644)
}

// create writes a PEM file as a whole, unless it exists.
func create(file, kind string, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	err = errors.Join(pem.Encode(temporary, &pem.Block{Type: kind, Bytes: content}), temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), file); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// selfSigned returns a certificate as Part 6, 6.2.2 wants it.
func selfSigned(key *rsa.PrivateKey) ([]byte, error) {
	const valid = 10 * 365 * 24 * time.Hour
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "iotmon", Organization: []string{host}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(valid), // The server's clock may be behind.
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		URIs:        []*url.URL{{Scheme: "urn", Opaque: host + ":iotmon"}}, DNSNames: []string{host}, BasicConstraintsValid: true,
	}
	return x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
}

// leaf returns the first of several certificates in DER; the rest is its chain.
func leaf(certificates []byte) []byte {
	var first asn1.RawValue
	if _, err := asn1.Unmarshal(certificates, &first); err != nil {
		return certificates
	}
	return first.FullBytes
}

func rsaKey(certificates []byte) (*rsa.PublicKey, error) {
	certificate, err := x509.ParseCertificate(leaf(certificates))
	if err != nil {
		return nil, fmt.Errorf("the server's certificate: %w", err)
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("the server's certificate has no RSA key, which the security policies need")
	}
	return key, nil
}

// TrustAny is the Trust of Options that trusts every server.
const TrustAny = "any"

// trusted returns nil if the server's certificate, or the authority that has signed it for the host, is in the trust list: a file of certificates,
// or a directory of such files. Who puts a server's own certificate there vouches for it, whatever its dates and names.
func trusted(certificates []byte, trust, host string) error {
	if trust == TrustAny {
		return nil
	}
	certificate, err := x509.ParseCertificate(leaf(certificates))
	if err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	known, err := trustList(trust)
	if err != nil {
		return err
	}
	authorities, between := x509.NewCertPool(), x509.NewCertPool()
	for _, k := range known {
		if k.Equal(certificate) {
			return nil
		}
		if k.IsCA && !k.Equal(certificate) {
			authorities.AddCert(k)
		}
	}
	chain, _ := x509.ParseCertificates(certificates)
	for _, c := range chain[min(1, len(chain)):] {
		between.AddCert(c)
	}
	_, err = certificate.Verify(x509.VerifyOptions{Roots: authorities, Intermediates: between, DNSName: host, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// maxTrusted is how many files a trust list may have.
const maxTrusted = 1000

func trustList(trust string) ([]*x509.Certificate, error) {
	files := []string{trust}
	if info, err := os.Stat(trust); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // Nothing has been trusted yet.
		}
		return nil, err
	} else if info.IsDir() {
		entries, err := os.ReadDir(trust)
		if err != nil {
			return nil, err
		}
		files = files[:0]
		for _, entry := range entries[:min(len(entries), maxTrusted)] {
			if !entry.IsDir() {
				files = append(files, filepath.Join(trust, entry.Name()))
			}
		}
	}
	var all []*x509.Certificate
	for _, file := range files {
		certificates, err := loadCertificates(file)
		if err != nil {
			return nil, fmt.Errorf("the trusted certificates: %w", err)
		}
		all = append(all, certificates...)
	}
	return all, nil
}

// maxKept is how many refused certificates are kept.
const maxKept = 20

// refused returns why a server is not trusted and what to do. It keeps the certificate in the directory, so that it can be trusted by copying it.
func refused(certificates []byte, trust, directory string, reason error) error {
	print := thumbprint(certificates)
	file := filepath.Join(directory, print+".der")
	kept := ""
	if keep(file, leaf(certificates)) {
		kept = "; it is in " + file
	}
	subject := ""
	if certificate, err := x509.ParseCertificate(leaf(certificates)); err == nil {
		subject = " of " + iot.Quote(certificate.Subject.String())
	}
	return fmt.Errorf("the server's certificate%s is not trusted (%w): compare its SHA-1 thumbprint %s with the server's and, if they are the same, put it into %s%s", subject, reason, print, trust, kept)
}

// keep puts a refused certificate into a file unless it is there, and reports whether it is there. Nobody who copies the file meanwhile gets a part of it.
func keep(file string, certificate []byte) bool {
	if _, err := os.Stat(file); err == nil {
		return true
	}
	directory := filepath.Dir(file)
	if entries, _ := os.ReadDir(directory); len(entries) >= maxKept || os.MkdirAll(directory, 0o700) != nil {
		return false
	}
	temporary, err := os.CreateTemp(directory, ".refused-*")
	if err != nil {
		return false
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(certificate)
	return errors.Join(err, temporary.Chmod(0o644), temporary.Close()) == nil && os.Rename(temporary.Name(), file) == nil
}

// thumbprint returns the SHA-1 of a certificate in hexadecimal, which is what the tools of OPC UA show.
func thumbprint(certificates []byte) string {
	return hex.EncodeToString(uapolicy.Thumbprint(leaf(certificates)))
}

package opcua

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// Before the body, a chunk of the channel has its header, the channel's id and the token's id; then the sequence number and the request's id,
// which are protected like the body.
const (
	symmetricHeader = chunkHeader + 8
	sequenceHeader  = 8
)

// write sends a message under the present token. The caller holds sending.
func (c *channel) write(kind string, body []byte) error {
	c.mu.Lock()
	channelID, k := c.id, c.current
	c.mu.Unlock()
	room := int(c.chunk) - symmetricHeader - sequenceHeader
	if !c.security.none() {
		block := max(1, k.algorithm.BlockSize())
		room = (int(c.chunk)-symmetricHeader)/block*block - sequenceHeader - k.algorithm.SignatureLength() - 1
	}
	for {
		part, final := body, byte('F')
		if len(part) > room {
			part, final = part[:room], 'C'
		}
		body = body[len(part):]
		chunk := append(make([]byte, 0, symmetricHeader+sequenceHeader+len(part)+128), kind...)
		chunk = append(chunk, final, 0, 0, 0, 0)
		chunk = binary.LittleEndian.AppendUint32(chunk, channelID)
		chunk = binary.LittleEndian.AppendUint32(chunk, k.token)
		chunk = c.appendSequence(chunk, part)
		encrypt := c.security.mode == ua.MessageSecurityModeSignAndEncrypt
		if err := c.writeChunk(chunk, symmetricHeader, k.algorithm, encrypt, c.security.none()); err != nil || final == 'F' {
			return err
		}
	}
}

// The numbers of chunks count up by one, and after lastSequence begin anew below firstSequence (Part 6, 6.7.2.4).
const lastSequence, firstSequence = 4294966271, 1024

// appendSequence appends what is protected of a chunk: the numbers and the body.
func (c *channel) appendSequence(chunk, body []byte) []byte {
	if c.sequence++; c.sequence > lastSequence {
		c.sequence = 1
	}
	chunk = binary.LittleEndian.AppendUint32(chunk, c.sequence)
	chunk = binary.LittleEndian.AppendUint32(chunk, c.request)
	return append(chunk, body...)
}

// writeOpening sends a request for a token, protected by the keys of the certificates.
func (c *channel) writeOpening(body []byte) error {
	c.mu.Lock()
	channelID := c.id
	c.mu.Unlock()
	none := c.security.none()
	var certificate, thumbprint []byte
	algorithm := new(uapolicy.EncryptionAlgorithm)
	if !none {
		certificate, thumbprint = c.security.own.certificate, uapolicy.Thumbprint(c.security.server)
		var err error
		if algorithm, err = c.security.asymmetric(); err != nil {
			return err
		}
	}
	chunk := binary.LittleEndian.AppendUint32([]byte("OPNF\x00\x00\x00\x00"), channelID)
	chunk = appendBytes(chunk, []byte(c.security.policy))
	chunk = appendBytes(chunk, certificate)
	chunk = appendBytes(chunk, thumbprint)
	header := len(chunk)
	return c.writeChunk(c.appendSequence(chunk, body), header, algorithm, true, none)
}

// appendBytes appends a byte string; nil is null.
func appendBytes(b, text []byte) []byte {
	if text == nil {
		return append(b, 0xff, 0xff, 0xff, 0xff)
	}
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
}

// writeChunk protects a chunk from the given position on, and sends it.
func (c *channel) writeChunk(chunk []byte, header int, by *uapolicy.EncryptionAlgorithm, encrypt, plain bool) error {
	if plain {
		binary.LittleEndian.PutUint32(chunk[4:], uint32(len(chunk)))
	} else {
		var err error
		if chunk, err = protect(chunk, header, by, encrypt); err != nil {
			return err
		}
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.conn.Write(chunk)
	return err
}

// longKey is the length in bytes of a key beyond which the length of the padding has two bytes.
const longKey = 256

// protect signs a chunk and encrypts what is behind its header.
func protect(chunk []byte, header int, by *uapolicy.EncryptionAlgorithm, encrypt bool) ([]byte, error) {
	size := len(chunk) + by.SignatureLength()
	if encrypt {
		block := by.PlaintextBlockSize()
		lengths := 1
		if by.RemoteSignatureLength() > longKey {
			lengths = 2
		}
		padding := (block - (len(chunk)-header+lengths+by.SignatureLength())%block) % block
		for range padding + 1 {
			chunk = append(chunk, byte(padding))
		}
		if lengths == 2 {
			chunk = append(chunk, byte(padding>>8))
		}
		size = header + (len(chunk)-header+by.SignatureLength())/block*by.BlockSize()
	}
	binary.LittleEndian.PutUint32(chunk[4:], uint32(size))
	signature, err := by.Signature(chunk)
	if err != nil {
		return nil, err
	}
	chunk = append(chunk, signature...)
	if !encrypt {
		return chunk, nil
	}
	encrypted, err := by.Encrypt(chunk[header:])
	return append(chunk[:header:header], encrypted...), err
}

var errProtection = errors.New("a message is not protected as agreed")

// unprotect decrypts and verifies a chunk, and returns what was behind its header, without signature and padding.
func unprotect(chunk []byte, header int, by *uapolicy.EncryptionAlgorithm, encrypted bool) ([]byte, error) {
	if encrypted {
		plain, err := by.Decrypt(chunk[header:])
		if err != nil {
			return nil, errProtection
		}
		chunk = append(chunk[:header:header], plain...)
	}
	end := len(chunk) - by.RemoteSignatureLength()
	if end < header || by.VerifySignature(chunk[:end], chunk[end:]) != nil {
		return nil, errProtection
	}
	if !encrypted {
		return chunk[header:end], nil
	}
	lengths := 1
	if by.SignatureLength() > longKey {
		lengths = 2
	}
	if end-lengths < header {
		return nil, errProtection
	}
	padding := int(chunk[end-1])
	if lengths == 2 {
		padding = padding<<8 | int(chunk[end-2])
	}
	if end -= padding + lengths; end < header {
		return nil, errProtection
	}
	return chunk[header:end], nil
}

// receive reads until the channel ends, and gives each response to the request that waits for it.
func (c *channel) receive() {
	defer func() {
		if reason := recover(); reason != nil { // The library's algorithms have decoded what a server has sent.
			c.fail(fmt.Errorf("a message of the server cannot be decoded: %v", reason))
		}
	}()
	a := assembly{parts: make(map[uint32]*bytes.Buffer)}
	buffer := make([]byte, maxChunk)
	for {
		kind, final, body, err := readChunk(c.conn, buffer)
		if err == nil {
			err = c.chunkReceived(&a, kind, final, buffer[:chunkHeader+len(body)])
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the server has closed the connection")
			}
			c.fail(err)
			return
		}
	}
}

// assembly is the messages of which some chunks have been received.
type assembly struct {
	// sequence is the number of the last chunk; 0 before the first.
	sequence uint32
	parts    map[uint32]*bytes.Buffer
	size     int
}

func (c *channel) chunkReceived(a *assembly, kind string, final byte, chunk []byte) error {
	var plain []byte
	var err error
	switch kind {
	case "MSG":
		plain, err = c.symmetric(chunk)
	case "OPN":
		plain, err = c.asymmetric(chunk)
	case "CLO":
		return io.EOF
	default:
		return fmt.Errorf("the server sends a message of type %q", kind)
	}
	if err != nil {
		return err
	}
	r := reader{b: plain}
	sequence, request := r.u32(), r.u32()
	anew := a.sequence == 0 || (a.sequence >= lastSequence && sequence < firstSequence)
	if r.err != nil || (sequence != a.sequence+1 && !anew) {
		return errors.New("the server sends a part of a message twice, or not in order, or one is missing")
	}
	a.sequence = sequence
	message, err := a.add(request, final, r.b)
	if message == nil && err == nil {
		return nil
	}
	var aborted *serverError
	if err != nil && !errors.As(err, &aborted) {
		return err
	}
	if kind == "OPN" && err == nil {
		err = c.opened(message)
	}
	answers, err2 := c.waiting(request)
	if answers != nil {
		answers <- response{message, err, time.Now()} // It has room: a request is answered once.
	}
	return err2
}

// waiting returns who waits for the response to a request, which is no longer pending then; nil if nobody does any more. A response that was not asked
// for is an error: a server could keep the program busy with them.
func (c *channel) waiting(request uint32) (chan<- response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answers := c.pending[request]
	delete(c.pending, request)
	if answers == nil {
		if c.forgotten == 0 {
			return nil, errors.New("the server sends a response that was not asked for")
		}
		c.forgotten--
	}
	return answers, nil
}

// add adds a chunk to its message, and returns the message if it is complete.
func (a *assembly) add(request uint32, final byte, body []byte) ([]byte, error) {
	part := a.parts[request]
	switch final {
	case 'F':
		if part == nil {
			return bytes.Clone(body), nil
		}
	case 'A':
		a.remove(request)
		r := reader{b: body}
		return nil, &serverError{code: r.u32(), reason: r.string()}
	case 'C':
	default:
		return nil, fmt.Errorf("%q is no kind of chunk", final)
	}
	if a.size += len(body); a.size > maxMessage || len(a.parts) > maxChunks {
		return nil, fmt.Errorf("the server sends messages of more than %d bytes", maxMessage)
	}
	if part == nil {
		part = new(bytes.Buffer)
		a.parts[request] = part
	}
	part.Write(body)
	if final == 'C' {
		return nil, nil
	}
	a.remove(request)
	return part.Bytes(), nil
}

func (a *assembly) remove(request uint32) {
	if part := a.parts[request]; part != nil {
		a.size -= part.Len()
		delete(a.parts, request)
	}
}

// symmetric returns the protected part of a chunk under a token.
func (c *channel) symmetric(chunk []byte) ([]byte, error) {
	if len(chunk) < symmetricHeader+sequenceHeader {
		return nil, errShort
	}
	if c.security.none() {
		return chunk[symmetricHeader:], nil
	}
	token := binary.LittleEndian.Uint32(chunk[chunkHeader+4:])
	c.mu.Lock()
	k := c.current
	if k.token != token {
		k = c.previous
	}
	c.mu.Unlock()
	if k.algorithm == nil || k.token != token {
		return nil, errors.New("the server uses a token that it has not given")
	}
	return unprotect(chunk, symmetricHeader, k.algorithm, c.security.mode == ua.MessageSecurityModeSignAndEncrypt)
}

// asymmetric returns the protected part of a chunk under the keys of the certificates. It must be secured as agreed, and by the certificate
// that is trusted: a program in between could else answer in the server's place.
func (c *channel) asymmetric(chunk []byte) ([]byte, error) {
	r := reader{b: chunk[chunkHeader:]}
	r.u32()
	policy, certificate := r.string(), r.bytes()
	r.bytes()
	if r.err != nil {
		return nil, r.err
	}
	if policy != c.security.policy {
		return nil, fmt.Errorf("the server answers with the security policy %q instead of %q", shorten(policy), c.security.policy)
	}
	header := len(chunk) - len(r.b)
	if c.security.none() {
		return chunk[header:], nil
	}
	if !bytes.Equal(leaf(certificate), leaf(c.security.server)) {
		return nil, errors.New("the server answers with another certificate than the one that is trusted")
	}
	by, err := c.security.asymmetric()
	if err != nil {
		return nil, err
	}
	return unprotect(chunk, header, by, true)
}

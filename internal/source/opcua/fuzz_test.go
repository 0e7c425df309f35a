package opcua

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"

	"iotmon/internal/mapping"
)

// deaf is a client whose connection has ended: what a decoder asks the server for fails.
func deaf() *client {
	conn, other := net.Pipe()
	conn.Close()
	other.Close()
	return &client{channel: &channel{
		conn: conn, security: &security{policy: ua.SecurityPolicyURINone, mode: ua.MessageSecurityModeNone}, chunk: maxChunk,
		pending: make(map[uint32]chan<- response), done: make(chan struct{}),
	}}
}

// FuzzChunks reads what a server sends on a channel without security.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("MSGF\x1c\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00abcd"))
	f.Add([]byte("MSGC\x19\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00aMSGF\x19\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00b"))
	f.Add([]byte("ERRF\x14\x00\x00\x00\x00\x00\x02\x80\x04\x00\x00\x00text"))
	f.Add([]byte("CLOF\x08\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := deaf().channel
		c.nonce = []byte{}
		answers := make(chan response, 3)
		for i := range uint32(3) {
			c.pending[i] = answers
		}
		a := assembly{parts: make(map[uint32]*bytes.Buffer)}
		in, buffer := bytes.NewReader(sent), make([]byte, maxChunk)
		for {
			kind, final, body, err := readChunk(in, buffer)
			if err == nil {
				err = c.chunkReceived(&a, kind, final, buffer[:chunkHeader+len(body)])
			}
			if err != nil {
				if len(err.Error()) > 1000 {
					t.Errorf("got a message of %d bytes", len(err.Error()))
				}
				break
			}
		}
		if a.size > len(sent) {
			t.Errorf("got %d bytes of messages from %d", a.size, len(sent))
		}
	})
}

// FuzzProtection reverses what protects a chunk, and decodes what does not: the library's algorithms must not fail on it.
func FuzzProtection(f *testing.F) {
	f.Add([]byte("abc"), true)
	f.Add(bytes.Repeat([]byte("x"), 16), false)
	f.Fuzz(func(t *testing.T, body []byte, encrypt bool) {
		if len(body) > maxChunk/2 {
			body = body[:maxChunk/2]
		}
		nonce := bytes.Repeat([]byte{7}, 32)
		by, err := uapolicy.Symmetric(ua.SecurityPolicyURIPrefix+"Basic256Sha256", nonce, nonce)
		if err != nil {
			t.Fatal(err)
		}
		header := bytes.Repeat([]byte{1}, symmetricHeader)
		if _, err := unprotect(append(bytes.Clone(header), body...), symmetricHeader, by, encrypt); err == nil {
			t.Error("a chunk that nobody has signed is accepted")
		}
		sent, err := protect(append(bytes.Clone(header), body...), symmetricHeader, by, encrypt)
		if err != nil {
			t.Fatal(err)
		}
		received, err := unprotect(sent, symmetricHeader, by, encrypt)
		if err != nil || !bytes.Equal(received, body) {
			t.Errorf("got %q, %v, want %q", received, err, body)
		}
	})
}

// fuzzedTypes knows the structures of a few encodings. Others would be asked for, at a connection that has ended.
func fuzzedTypes() *types {
	inner := &structureType{kind: 1, fields: []field{{name: "a", kind: typeDouble, optional: true}, {name: "b", kind: typeString, rank: 1}}}
	known := &structureType{fields: []field{
		{name: "i", kind: typeInt32}, {name: "v", kind: typeVariant}, {name: "n", nested: inner, rank: 1}, {name: "m", kind: typeFloat, rank: 2}, {name: "e", nested: new(structureType), rank: 1},
	}}
	choice := &structureType{kind: 2, fields: []field{{name: "x", kind: typeStructure}, {name: "y", nested: known}, {name: "d", kind: typeDataValue}}}
	t := newTypes(deaf(), new(server))
	t.byEncoding[nodeID{kind: 'i', number: 1}], t.byEncoding[nodeID{kind: 'i', number: 2}], t.byEncoding[nodeID{kind: 'i', number: 3}] = known, choice, inner
	return t
}

// FuzzPublication decodes what a server publishes, down to the points.
func FuzzPublication(f *testing.F) {
	for _, v := range []*ua.Variant{
		ua.MustVariant(1.5), ua.MustVariant("text"), ua.MustVariant([]float64{1, 2}), ua.MustVariant(time.Unix(1, 0)), ua.MustVariant([][]int32{{1, 2}, {3, 4}}),
		ua.MustVariant(ua.NewExtensionObject(&ua.Range{Low: 1, High: 2})), ua.MustVariant(ua.NewGUID("12345678-1234-5678-1234-567812345678")),
	} {
		changed := &ua.DataChangeNotification{MonitoredItems: []*ua.MonitoredItemNotification{{Value: &ua.DataValue{
			EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp | ua.DataValueStatusCode, Value: v, SourceTimestamp: time.Unix(1e9, 0),
		}}}}
		body, err := ua.Encode(&ua.PublishResponse{
			ResponseHeader: &ua.ResponseHeader{ServiceDiagnostics: new(ua.DiagnosticInfo)}, SubscriptionID: 1,
			NotificationMessage: &ua.NotificationMessage{SequenceNumber: 1, NotificationData: []*ua.ExtensionObject{ua.NewExtensionObject(changed)}},
		})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte{1, 0, 0x3d, 3}, body...))
	}
	known := fuzzedTypes()
	f.Fuzz(func(t *testing.T, sent []byte) {
		p, err := decodePublication(sent)
		if err != nil {
			return
		}
		fl := &flattener{types: known}
		var points []mapping.Point
		for _, data := range p.data {
			r := &reader{b: data.body}
			for range r.count(5) {
				var d dataValue
				r.u32()
				if r.dataValue(&d); r.err != nil {
					break
				}
				before := len(points)
				if err := (&item{topic: "a/b", field: "b"}).flatten(t.Context(), fl, &d, points); err != nil {
					break
				}
				if points = fl.points; len(points)-before > maxElements {
					t.Errorf("got %d points of one value", len(points)-before)
				}
			}
			if r.elements > maxMessageElements+len(sent) || fl.elements > maxMessageElements+len(sent) {
				t.Errorf("got %d and %d elements", r.elements, fl.elements)
			}
		}
		for i := range points {
			if v := points[i].Value; v != v {
				t.Error("got a value that is no number")
			}
		}
	})
}

// FuzzResponses decodes the other responses of a server.
func FuzzResponses(f *testing.F) {
	endpoint := &ua.EndpointDescription{Server: &ua.ApplicationDescription{ApplicationName: ua.NewLocalizedText("a")}, UserIdentityTokens: []*ua.UserTokenPolicy{{PolicyID: "p"}}}
	definition := ua.NewExtensionObject(&ua.StructureDefinition{DefaultEncodingID: ua.NewTwoByteNodeID(0), BaseDataType: ua.NewTwoByteNodeID(22), Fields: []*ua.StructureField{{Name: "x", Description: new(ua.LocalizedText), DataType: ua.NewTwoByteNodeID(11), ValueRank: -1}}})
	header := func() *ua.ResponseHeader { return &ua.ResponseHeader{ServiceDiagnostics: new(ua.DiagnosticInfo)} }
	for _, response := range []any{
		&ua.GetEndpointsResponse{ResponseHeader: header(), Endpoints: []*ua.EndpointDescription{endpoint}},
		&ua.BrowseResponse{ResponseHeader: header(), Results: []*ua.BrowseResult{{References: []*ua.ReferenceDescription{{
			ReferenceTypeID: ua.NewTwoByteNodeID(46), NodeID: ua.NewFourByteExpandedNodeID(1, 2), BrowseName: &ua.QualifiedName{Name: "n"}, DisplayName: new(ua.LocalizedText), TypeDefinition: ua.NewTwoByteExpandedNodeID(1),
		}}}}},
		&ua.ReadResponse{ResponseHeader: header(), Results: []*ua.DataValue{{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(definition)}}},
		&ua.ReadResponse{ResponseHeader: header(), Results: []*ua.DataValue{{EncodingMask: ua.DataValueValue, Value: ua.MustVariant([]string{"a", "b"})}}},
	} {
		body, err := ua.Encode(response)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte{1, 0, byte(ua.ServiceTypeID(response)), byte(ua.ServiceTypeID(response) >> 8)}, body...), []byte("name"))
	}
	f.Fuzz(func(t *testing.T, sent, more []byte) {
		if r, err := answer(sent, id.GetEndpointsResponse_Encoding_DefaultBinary); err == nil {
			all := r.endpoints()
			if r.err == nil {
				_, _ = choose(all, ua.SecurityPolicyURINone, ua.MessageSecurityModeNone)
				for i := range all {
					_, _ = all[i].login(ua.UserTokenTypeAnonymous)
					_, _ = rsaKey(all[i].certificate)
				}
			}
		}
		if r, err := answer(sent, id.BrowseResponse_Encoding_DefaultBinary); err == nil {
			s, left := &server{namespaces: []string{"", "a"}}, 1000
			b := &search{server: s, options: &Browse{Max: 10}, room: 1000, seen: make(map[nodeID]bool)}
			var next []variable
			from := variable{}
			_ = deaf().results(t.Context(), s, r, []int{0}, &left, func(_ int, ref *reference) { next = b.reached(&from, ref, next) })
			if len(b.found) > 10 || len(next) > 1000 {
				t.Errorf("found %d, next %d", len(b.found), len(next))
			}
		}
		if r, err := answer(sent, id.ReadResponse_Encoding_DefaultBinary); err == nil {
			for range r.count(1) {
				var d dataValue
				if r.dataValue(&d); r.err != nil {
					break
				}
				_ = show(&d.value)
				new(property).set(&d.value)
				if d.kind == typeStructure && !d.isArray {
					if found, kinds, err := decodeDefinition(d.rare.structure.body); err == nil {
						for i := range found.fields {
							found.fields[i].kind = builtin(kinds[i].number)
						}
						found.decode(&reader{b: more}, "", nil)
					}
				}
			}
		}
		if name, err := ParseNodeName(string(more)); err == nil && !strings.Contains(name.text, "nsu=") {
			again, err := ParseNodeName(name.id.String())
			if err != nil || again.id != name.id {
				t.Errorf("%q becomes %v, and that %v, %v", more, name.id, again.id, err)
			}
		}
	})
}

// A type of few bytes can be made of endlessly many fields.
func TestAStructureOfEndlesslyManyEmptyFieldsIsRefused(t *testing.T) {
	t.Parallel()
	kind := new(structureType)
	for range maxDepth - 2 {
		outer := new(structureType)
		for range maxFields {
			outer.fields = append(outer.fields, field{name: "f", nested: kind})
		}
		kind = outer
	}
	known := newTypes(deaf(), new(server))
	encoding := nodeID{kind: 'i', number: 1}
	known.byEncoding[encoding] = kind
	f := &flattener{types: known, left: maxElements}
	for range 1000 { // As many in one notification.
		if err := f.structure(t.Context(), structure{encoding: encoding, body: []byte{0}}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(f.reason, "more than") {
		t.Errorf("got %q, want that there are too many", f.reason)
	}
}

// A program in between answers in the name of the server, with a certificate of its own.
func TestACertificateOfAnotherOpensNoChannel(t *testing.T) {
	t.Parallel()
	var of [3]*identity
	for i := range of {
		certificate, key := filepath.Join(t.TempDir(), "c.pem"), filepath.Join(t.TempDir(), "k.pem")
		err := makeIdentity(certificate, key)
		if err == nil {
			of[i], err = loadIdentity(certificate, key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	own, trusted, other := of[0], of[1], of[2]
	policy := ua.SecurityPolicyURIPrefix + "Basic256Sha256"
	open := func(by *identity, named []byte) error {
		c := deaf().channel
		c.security = &security{policy: policy, mode: ua.MessageSecurityModeSignAndEncrypt, own: own, server: trusted.certificate}
		c.nonce = bytes.Repeat([]byte{1}, 32)
		c.pending[1] = make(chan response, 1)
		chunk := binary.LittleEndian.AppendUint32([]byte("OPNF\x00\x00\x00\x00"), 1)
		chunk = appendBytes(chunk, []byte(policy))
		chunk = appendBytes(chunk, named)
		chunk = appendBytes(chunk, uapolicy.Thumbprint(own.certificate))
		header := len(chunk)
		key, err := rsaKey(own.certificate)
		if err != nil {
			return err
		}
		algorithm, err := uapolicy.Asymmetric(policy, by.key, key)
		if err != nil {
			return err
		}
		chunk = append(chunk, 1, 0, 0, 0, 1, 0, 0, 0)
		if chunk, err = protect(append(chunk, "body"...), header, algorithm, true); err != nil {
			return err
		}
		a := assembly{parts: make(map[uint32]*bytes.Buffer)}
		return c.chunkReceived(&a, "OPN", 'F', chunk)
	}
	if err := open(trusted, trusted.certificate); err != nil {
		t.Errorf("the server itself: %v", err) // What is in the message does not matter here.
	}
	if err := open(other, other.certificate); err == nil || !strings.Contains(err.Error(), "another certificate than the one that is trusted") {
		t.Errorf("another certificate: got %v", err)
	}
	if err := open(other, trusted.certificate); !errors.Is(err, errProtection) {
		t.Errorf("the server's certificate without its key: got %v, want %v", err, errProtection)
	}
	if err := open(trusted, trusted.certificate[:20]); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("part of a certificate: got %v", err)
	}
}

package opcua

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// endpoint is a way in which a server can be reached (Part 4, 7.14).
type endpoint struct {
	certificate []byte
	mode        ua.MessageSecurityMode
	policy      string
	level       byte
	logins      []loginPolicy
}

// loginPolicy is a way in which a server lets users log in.
type loginPolicy struct {
	id     string
	kind   ua.UserTokenType
	policy string
}

// endpoints asks a server for its endpoints, over a channel without security.
func endpoints(ctx context.Context, address string) ([]endpoint, error) {
	c, err := openChannel(ctx, address, &security{policy: ua.SecurityPolicyURINone, mode: ua.MessageSecurityModeNone})
	if err != nil {
		return nil, err
	}
	defer c.close()
	body, err := c.call(ctx, &ua.GetEndpointsRequest{EndpointURL: address}, nil, callTimeout)
	if err != nil {
		return nil, err
	}
	r, err := answer(body, id.GetEndpointsResponse_Encoding_DefaultBinary)
	if err != nil {
		return nil, err
	}
	all := r.endpoints()
	return all, r.err
}

func (r *reader) endpoints() []endpoint {
	const shortest = 50
	all := make([]endpoint, r.count(shortest))
	for i := range all {
		e := &all[i]
		r.bytes()
		r.bytes()
		r.bytes()
		r.localizedText()
		r.u32()
		r.bytes()
		r.bytes()
		for range r.count(4) {
			r.bytes()
		}
		e.certificate, e.mode, e.policy = r.bytes(), ua.MessageSecurityMode(r.u32()), r.string()
		e.logins = make([]loginPolicy, r.count(20))
		for j := range e.logins {
			l := &e.logins[j]
			l.id, l.kind = r.string(), ua.UserTokenType(r.u32())
			r.bytes()
			r.bytes()
			l.policy = r.string()
		}
		r.bytes()
		e.level = r.u8()
	}
	return all
}

// credentials are how to log in: with a name and a password, with a certificate, or anonymously if there is neither.
type credentials struct {
	user, password string
	certificate    *identity
}

func (c *credentials) kind() ua.UserTokenType {
	switch {
	case c.certificate != nil:
		return ua.UserTokenTypeCertificate
	case c.user != "":
		return ua.UserTokenTypeUserName
	}
	return ua.UserTokenTypeAnonymous
}

// login is a session at a server, which can be activated on another channel when its own is lost.
type login struct {
	token *ua.NodeID
	// nonce is the server's last.
	nonce   []byte
	timeout time.Duration
}

const (
	// nonceSize is the length in bytes of the nonce of a session.
	nonceSize = 32
	// sessionTimeout is how long a server shall keep a session that sends nothing.
	sessionTimeout = 5 * time.Minute
	productURI     = "urn:iotmon"
)

// createSession creates a session, and checks that the server has the key of its certificate.
func createSession(ctx context.Context, c *channel, address, name string) (*login, error) {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // It never fails.
	s := c.security
	req := &ua.CreateSessionRequest{
		ClientDescription: &ua.ApplicationDescription{
			ApplicationURI: productURI, ProductURI: productURI, ApplicationName: ua.NewLocalizedText("iotmon"), ApplicationType: ua.ApplicationTypeClient,
		},
		EndpointURL: address, SessionName: name, ClientNonce: nonce,
		RequestedSessionTimeout: float64(sessionTimeout.Milliseconds()), MaxResponseMessageSize: maxMessage,
	}
	if s.own != nil {
		req.ClientDescription.ApplicationURI, req.ClientCertificate = s.own.uri, s.own.certificate
	}
	body, err := c.call(ctx, req, nil, callTimeout)
	if err != nil {
		return nil, err
	}
	r, err := answer(body, id.CreateSessionResponse_Encoding_DefaultBinary)
	if err != nil {
		return nil, err
	}
	l := new(login)
	r.nodeID()
	l.token = r.nodeID().ua()
	l.timeout = duration(r.f64())
	l.nonce = bytes.Clone(r.bytes())
	certificate := r.bytes()
	r.endpoints()
	for range r.count(8) {
		r.bytes()
		r.bytes()
	}
	r.bytes()
	signature := r.bytes()
	if r.err != nil || s.none() {
		return l, r.err
	}
	if !bytes.Equal(leaf(certificate), leaf(s.server)) {
		return nil, errors.New("the session has another certificate than the channel")
	}
	by, err := s.asymmetric()
	if err != nil {
		return nil, err
	}
	if by.VerifySignature(append(bytes.Clone(s.own.certificate), nonce...), signature) != nil {
		return nil, errors.New("the server has not signed the session with the key of its certificate")
	}
	return l, nil
}

// duration converts milliseconds of a server, however large or strange, to a duration up to a day.
func duration(milliseconds float64) time.Duration {
	const longest = 24 * time.Hour
	if !(milliseconds > 0) {
		return 0
	}
	return time.Duration(min(milliseconds, float64(longest.Milliseconds())) * float64(time.Millisecond))
}

// activate logs in, and binds the session to the channel.
func (l *login) activate(ctx context.Context, c *channel, e *endpoint, by *credentials) (*client, error) {
	policy, err := e.login(by.kind())
	if err != nil {
		return nil, err
	}
	req := &ua.ActivateSessionRequest{ClientSignature: &ua.SignatureData{}, UserTokenSignature: &ua.SignatureData{}, LocaleIDs: []string{"en"}}
	signed := append(bytes.Clone(leaf(c.security.server)), l.nonce...)
	if !c.security.none() {
		if req.ClientSignature, err = sign(c.security.policy, c.security.own, c.security.server, signed); err != nil {
			return nil, err
		}
	}
	switch by.kind() {
	case ua.UserTokenTypeCertificate:
		req.UserIdentityToken = ua.NewExtensionObject(&ua.X509IdentityToken{PolicyID: policy.id, CertificateData: by.certificate.certificate})
		signed = append(bytes.Clone(leaf(e.certificate)), l.nonce...)
		req.UserTokenSignature, err = sign(policy.policy, by.certificate, e.certificate, signed)
	case ua.UserTokenTypeUserName:
		var token *ua.UserNameIdentityToken
		token, err = l.encryptPassword(policy, e, by)
		req.UserIdentityToken = ua.NewExtensionObject(token)
	default:
		req.UserIdentityToken = ua.NewExtensionObject(&ua.AnonymousIdentityToken{PolicyID: policy.id})
	}
	if err != nil {
		return nil, err
	}
	body, err := c.call(ctx, req, l.token, callTimeout)
	if err != nil {
		return nil, err
	}
	r, err := answer(body, id.ActivateSessionResponse_Encoding_DefaultBinary)
	if err != nil {
		return nil, err
	}
	l.nonce = bytes.Clone(r.bytes())
	return &client{channel: c, token: l.token, timeout: l.timeout}, r.err
}

// login returns how the endpoint lets users of a kind log in, encrypted if it can be.
func (e *endpoint) login(kind ua.UserTokenType) (loginPolicy, error) {
	var plain *loginPolicy
	for _, l := range e.logins {
		if l.kind != kind {
			continue
		}
		if l.policy == "" {
			l.policy = e.policy
		}
		if l.policy != ua.SecurityPolicyURINone {
			return l, nil
		}
		plain = &l
	}
	if plain != nil {
		return *plain, nil
	}
	names := map[ua.UserTokenType]string{
		ua.UserTokenTypeAnonymous: "anonymous users: set user and password_file", ua.UserTokenTypeUserName: "users with a password", ua.UserTokenTypeCertificate: "users with a certificate",
	}
	return loginPolicy{}, fmt.Errorf("the server's endpoint does not let in %s", names[kind])
}

// errPlain is why a password is not sent.
var errPlain = errors.New("the server wants the password unencrypted: choose a security with SignAndEncrypt, or let the server encrypt logins")

// accepts returns why somebody cannot log in at the endpoint, as far as that is known before a session is made.
func (e *endpoint) accepts(by *credentials) error {
	policy, err := e.login(by.kind())
	if err == nil && by.kind() == ua.UserTokenTypeUserName && e.plain(policy) && e.mode != ua.MessageSecurityModeSignAndEncrypt {
		return errPlain
	}
	return err
}

// plain reports whether a password is not encrypted for itself.
func (e *endpoint) plain(policy loginPolicy) bool {
	return policy.policy == ua.SecurityPolicyURINone || len(e.certificate) == 0
}

// sign signs with the key of an identity, for the server with the given certificate.
func sign(policy string, by *identity, server, message []byte) (*ua.SignatureData, error) {
	key, err := rsaKey(server)
	if err != nil {
		return nil, err
	}
	algorithm, err := uapolicy.Asymmetric(policy, by.key, key)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	signature, err := algorithm.Signature(message)
	return &ua.SignatureData{Algorithm: algorithm.SignatureURI(), Signature: signature}, err
}

// encryptPassword encrypts the password for the server's certificate, unless the server wants it as it is and the channel encrypts.
func (l *login) encryptPassword(policy loginPolicy, e *endpoint, by *credentials) (*ua.UserNameIdentityToken, error) {
	if e.plain(policy) {
		if e.mode != ua.MessageSecurityModeSignAndEncrypt {
			return nil, errPlain
		}
		return &ua.UserNameIdentityToken{PolicyID: policy.id, UserName: by.user, Password: []byte(by.password)}, nil
	}
	key, err := rsaKey(e.certificate)
	if err != nil {
		return nil, err
	}
	// Without a key of its own the program can still encrypt; the library wants one all the same.
	algorithm, err := uapolicy.Asymmetric(policy.policy, nil, key)
	if err != nil {
		return nil, fmt.Errorf("encrypting the password: %w", err)
	}
	secret := binary.LittleEndian.AppendUint32(nil, uint32(len(by.password)+len(l.nonce)))
	secret = append(append(secret, by.password...), l.nonce...)
	encrypted, err := algorithm.Encrypt(secret)
	if err != nil {
		return nil, fmt.Errorf("encrypting the password: %w", err)
	}
	return &ua.UserNameIdentityToken{PolicyID: policy.id, UserName: by.user, Password: encrypted, EncryptionAlgorithm: algorithm.EncryptionURI()}, nil
}

// closeSession ends the session and its subscriptions, as far as the server still answers.
func (c *client) closeSession(timeout time.Duration) {
	_, _ = c.call(context.Background(), &ua.CloseSessionRequest{DeleteSubscriptions: true}, c.token, timeout)
}

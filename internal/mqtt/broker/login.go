package broker

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"
)

// Login says how clients prove who they are. A client certificate always does.
type Login struct {
	// Anonymous lets in clients that do not say who they are.
	Anonymous bool
	// File has a line for each user, name:hash; empty for none.
	File string
}

const (
	// maxLogins is the maximum number of users of a file, maxLoginFile its maximum length in bytes.
	maxLogins, maxLoginFile = 200_000, 64 << 20
	// maxProven is how many logins are remembered that were right.
	maxProven = 50_000
	// maxPassword is the longest password in bytes. bcrypt takes 72.
	maxPassword = 1024
	// The file decides what the check of a password costs, up to these limits.
	maxIterations, maxArgonMemory, maxArgonTime = 10_000_000, 256 << 10, 100
)

// errWrongLogin is that of a client that is not who it says it is, or does not say so.
var errWrongLogin = errors.New("wrong username or password")

// logins knows the users of a file, which may change. It may be used concurrently.
type logins struct {
	o Login
	// busy bounds how many passwords are checked at the same time: that is meant to be expensive.
	busy *semaphore.Weighted
	salt [32]byte

	mu sync.RWMutex
	// What follows is guarded by mu. users are the hashes by their names, and tokens the names by those of tokens.
	users  map[string]string
	tokens map[[sha256.Size]byte]string
	read   os.FileInfo
	// proven are logins that were right, so that the next connection costs nothing.
	proven map[[sha256.Size]byte]struct{}
}

func newLogins(o Login) *logins {
	l := &logins{o: o, busy: semaphore.NewWeighted(max(1, int64(runtime.GOMAXPROCS(0)/2))), proven: make(map[[sha256.Size]byte]struct{})}
	_, _ = rand.Read(l.salt[:])
	return l
}

// load reads the file if it has changed.
func (l *logins) load() error {
	if l.o.File == "" {
		return nil
	}
	info, err := os.Stat(l.o.File)
	if err != nil {
		return fmt.Errorf("users_file: %w", err)
	}
	l.mu.RLock()
	same := l.read != nil && os.SameFile(info, l.read) && info.ModTime().Equal(l.read.ModTime()) && info.Size() == l.read.Size()
	l.mu.RUnlock()
	if same {
		return nil
	}
	if info.Size() > maxLoginFile {
		return fmt.Errorf("users_file: %d bytes, more than %d", info.Size(), maxLoginFile)
	}
	text, err := os.ReadFile(l.o.File)
	if err != nil {
		return fmt.Errorf("users_file: %w", err)
	}
	users, tokens, err := parseLogins(text)
	if err != nil {
		return fmt.Errorf("users_file: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users, l.tokens, l.read = users, tokens, info
	return nil
}

// refresh is load while the broker runs: after an error what was read before holds.
func (l *logins) refresh() error { return l.load() }

// parseLogins reads lines of name:hash. Empty lines and those that begin with # do not count.
func parseLogins(text []byte) (users map[string]string, tokens map[[sha256.Size]byte]string, err error) {
	users, tokens = make(map[string]string), make(map[[sha256.Size]byte]string)
	number := 0
	for line := range bytes.Lines(text) {
		number++
		entry := strings.TrimSpace(string(line))
		if entry == "" || entry[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(entry, ":")
		if !ok || name == "" || len(name) > maxUsername || !knownHash(hash) {
			return nil, nil, fmt.Errorf("line %d: not name:hash with a hash of bcrypt, argon2id, mosquitto_passwd or a token's sha256", number)
		}
		if _, twice := users[name]; twice {
			return nil, nil, fmt.Errorf("line %d: the user %q is there twice", number, name)
		}
		users[name] = hash
		if digest, isToken := tokenOf(hash); isToken {
			tokens[digest] = name
		}
		if len(users) > maxLogins {
			return nil, nil, fmt.Errorf("more than %d users", maxLogins)
		}
	}
	return users, tokens, nil
}

// tokenOf returns the digest of a token.
func tokenOf(hash string) (digest [sha256.Size]byte, ok bool) {
	text, ok := strings.CutPrefix(hash, "sha256:")
	if !ok {
		return digest, false
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(digest) {
		return digest, false
	}
	return [sha256.Size]byte(raw), true
}

// knownHash reports whether a password can be compared with the hash.
func knownHash(hash string) bool {
	if _, isToken := tokenOf(hash); isToken {
		return true
	}
	if _, err := bcrypt.Cost([]byte(hash)); err == nil {
		return true
	}
	_, isArgon := parseArgon(hash)
	_, isMosquitto := parseMosquitto(hash)
	return isArgon || isMosquitto
}

// check returns the name of the user who connects, and the entry of the file that says so. The error is errWrongLogin, or that of ctx.
func (l *logins) check(ctx context.Context, p *connect, certificate string) (username, entry string, err error) {
	if certificate != "" {
		return certificate, "", nil
	}
	if !p.hasUsername && len(p.password) == 0 || l.o.File == "" {
		if l.o.Anonymous {
			return "", "", nil
		}
		return "", "", fmt.Errorf("%w: it does not log in", errWrongLogin)
	}
	if len(p.password) > maxPassword {
		return "", "", errWrongLogin
	}
	if name, hash, ok := l.token(p); ok {
		return name, hash, nil
	}
	l.mu.RLock()
	hash := l.users[p.username]
	l.mu.RUnlock()
	if hash == "" {
		hash = nobody // So that it takes as long as a wrong password.
	}
	right, err := l.compare(ctx, p.username, hash, p.password)
	switch {
	case err != nil:
		return "", "", err
	case !right || hash == nobody:
		return "", "", fmt.Errorf("%w, for the user %q", errWrongLogin, p.username)
	}
	return p.username, hash, nil
}

// nobody is the hash of a password that nobody has, with the usual cost.
const nobody = "$2a$10$abcdefghijklmnopqrstuuO7cqgXF0dq9jhDZjk4dRmDGVwZ9fPqS"

// token returns the user whose token the client has sent: as the password, or as the username without a password.
func (l *logins) token(p *connect) (username, hash string, ok bool) {
	secret := p.password
	if len(secret) == 0 {
		secret = []byte(p.username)
	}
	digest := sha256.Sum256(secret)
	l.mu.RLock()
	defer l.mu.RUnlock()
	name, known := l.tokens[digest]
	if !known || len(p.password) > 0 && p.username != "" && p.username != name {
		return "", "", false
	}
	return name, l.users[name], true
}

// compare compares a password with a hash. The error is that of ctx.
func (l *logins) compare(ctx context.Context, username, hash string, password []byte) (bool, error) {
	if _, isToken := tokenOf(hash); isToken {
		return false, nil // It was looked for already.
	}
	digest := sha256.New()
	digest.Write(l.salt[:])
	for _, part := range [][]byte{[]byte(username), []byte(hash), password} {
		fmt.Fprintf(digest, "%d:", len(part))
		digest.Write(part)
	}
	proof := [sha256.Size]byte(digest.Sum(nil))
	l.mu.RLock()
	_, known := l.proven[proof]
	l.mu.RUnlock()
	if known {
		return true, nil
	}
	if err := l.busy.Acquire(ctx, 1); err != nil {
		return false, fmt.Errorf("too many clients log in at once: %w", err)
	}
	right := matchesHash(hash, password)
	l.busy.Release(1)
	if right {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.proven) >= maxProven {
			clear(l.proven)
		}
		l.proven[proof] = struct{}{}
	}
	return right, nil
}

func matchesHash(hash string, password []byte) bool {
	if a, ok := parseArgon(hash); ok {
		got := argon2.IDKey(password, a.salt, a.time, a.memory, a.threads, uint32(len(a.key)))
		return subtle.ConstantTimeCompare(got, a.key) == 1
	}
	if m, ok := parseMosquitto(hash); ok {
		got, err := pbkdf2.Key(sha512.New, string(password), m.salt, m.iterations, len(m.key))
		return err == nil && subtle.ConstantTimeCompare(got, m.key) == 1
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), password) == nil
}

// argonHash is a hash of argon2id as its reference implementation writes it.
type argonHash struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func parseArgon(hash string) (a argonHash, ok bool) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return a, false
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &a.memory, &a.time, &a.threads); n != 3 || err != nil {
		return a, false
	}
	var err1, err2 error
	a.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	a.key, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	ok = err1 == nil && err2 == nil && a.time > 0 && a.time <= maxArgonTime && a.threads > 0 && a.memory > 0 && a.memory <= maxArgonMemory &&
		len(a.key) >= 16 && len(a.key) <= 64
	return a, ok
}

// mosquittoHash is a hash as mosquitto_passwd of Mosquitto 2 writes it: PBKDF2 with SHA-512.
type mosquittoHash struct {
	iterations int
	salt, key  []byte
}

func parseMosquitto(hash string) (m mosquittoHash, ok bool) {
	parts := strings.Split(hash, "$")
	if len(parts) != 5 || parts[1] != "7" {
		return m, false
	}
	var errs [3]error
	m.iterations, errs[0] = strconv.Atoi(parts[2])
	m.salt, errs[1] = base64.StdEncoding.DecodeString(parts[3])
	m.key, errs[2] = base64.StdEncoding.DecodeString(parts[4])
	return m, errors.Join(errs[:]...) == nil && m.iterations > 0 && m.iterations <= maxIterations && len(m.key) == sha512.Size
}

// valid reports whether the login of a client is still in the file as it was.
func (l *logins) valid(i *identity) bool {
	if i.entry == "" {
		return true
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.users[i.username] == i.entry
}

// loginPause is how long a client waits for the answer to a wrong login.
const loginPause = time.Second

package datadir

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
)

// controlFile is the name of the file in which a running iotmon writes how commands reach it. Every user who can read the file may
// send commands.
const controlFile = "control.json"

// Control is the content of the control file.
type Control struct {
	// URL is on the loopback interface. Token must be in the Authorization header of every request.
	URL   string `json:"url"`
	Token string `json:"token"`

	path string
}

// OpenControl writes the control file of an iotmon that answers commands at url, with a new random token. Only the user who
// runs iotmon may read the file.
func OpenControl(dataDir, url string) (*Control, error) {
	c := &Control{URL: url, Token: rand.Text(), path: filepath.Join(dataDir, controlFile)}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return c, os.WriteFile(c.path, text, 0o600)
}

// Close removes the control file.
func (c *Control) Close() error { return os.Remove(c.path) }

// readControl returns how to reach the iotmon that runs on a data directory.
func readControl(dataDir string) (*Control, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, controlFile))
	if err != nil {
		return nil, err
	}
	c := new(Control)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dataDir, controlFile), err)
	}
	return c, nil
}

// Guard returns a handler that passes requests with the token to next and refuses all others with status 401.
func (c *Control) Guard(next http.Handler) http.Handler {
	want := []byte("Bearer " + c.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "the token of "+controlFile+" is missing or wrong", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ask sends a command to the running iotmon and returns the body of the answer, which the caller closes.
func (c *Control) ask(ctx context.Context, command string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+command, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the running iotmon: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return nil, fmt.Errorf("the running iotmon refuses: %s", bytes.TrimSpace(reason))
	}
	return response.Body, nil
}

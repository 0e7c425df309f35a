package app

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
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// controlFile is where iotmon tells the commands for its data directory how to reach it. Who can read the file may ask.
const controlFile = "control.json"

// control is what the file says.
type control struct {
	// URL is on the loopback interface; Token is what a request must show.
	URL   string `json:"url"`
	Token string `json:"token"`
}

// serveControl answers the commands of those who own the data directory, on an address and port of its own that nothing else
// leads to.
func (s *Service) serveControl(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for commands: %w", err)
	}
	s.onClose("control listener", func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	c := control{URL: "http://" + listener.Addr().String(), Token: rand.Text()}
	path := filepath.Join(s.cfg.DataDir, controlFile)
	if err := c.write(path); err != nil {
		return fmt.Errorf("tell commands where to ask: %w", err)
	}
	s.onClose("control file", func() error { return os.Remove(path) })
	mux := http.NewServeMux()
	mux.Handle("POST /backup", &backupHandler{service: s})
	s.add("control", serve(listener, c.guard(mux)))
	return nil
}

// write replaces the file, which only the user who runs iotmon may read.
func (c *control) write(path string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// readControl returns how to reach the iotmon that runs on a data directory.
func readControl(dataDir string) (*control, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, controlFile))
	if err != nil {
		return nil, err
	}
	c := new(control)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dataDir, controlFile), err)
	}
	return c, nil
}

// guard lets through who knows the token.
func (c *control) guard(next http.Handler) http.Handler {
	want := []byte("Bearer " + c.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "the token of "+controlFile+" is missing", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ask sends a command and returns the answer's body.
func (c *control) ask(ctx context.Context, command string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+command, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the iotmon that runs: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return nil, fmt.Errorf("the iotmon that runs refuses: %s", bytes.TrimSpace(reason))
	}
	return response.Body, nil
}

// backupHandler answers with a backup of the service's data directory. One at a time: each takes as much of the disk as the
// database.
type backupHandler struct {
	service *Service
	busy    sync.Mutex
}

func (h *backupHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.busy.TryLock() {
		http.Error(w, "another backup is being made", http.StatusConflict)
		return
	}
	defer h.busy.Unlock()
	s := h.service
	made, err := prepareBackup(r.Context(), s.cfg.DataDir, s.broker.Snapshot)
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "no backup", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer made.remove()
	w.Header().Set("Content-Type", "application/gzip")
	list, err := made.write(w, s.Version)
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "no backup", "error", err)
		panic(http.ErrAbortHandler) // What has been sent must not look like all of it.
	}
	s.Logger.InfoContext(r.Context(), "backed up", "files", len(list.Files), "bytes", list.Bytes())
}

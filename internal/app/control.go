package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"iotmon/internal/app/datadir"
)

// serveControl serves the commands that act on a running iotmon, such as iotmon backup. It listens on a loopback port of its
// own. Address and token are in a file of the data directory, so only a user who can read that file can use it.
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
	control, err := datadir.OpenControl(s.cfg.DataDir, "http://"+listener.Addr().String())
	if err != nil {
		return fmt.Errorf("write the control file: %w", err)
	}
	s.onClose("control file", control.Close)
	mux := http.NewServeMux()
	mux.Handle("POST /backup", &backupHandler{service: s})
	s.add("control", serve(listener, control.Guard(mux)))
	return nil
}

// backupHandler answers with a backup of the service's data directory. It makes one backup at a time and refuses a second,
// since each needs as much disk space as the database.
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
	made, err := datadir.Prepare(r.Context(), s.cfg.DataDir, s.broker.Snapshot)
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "backup failed", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer made.Remove()
	w.Header().Set("Content-Type", "application/gzip")
	list, err := made.Write(w, s.Version)
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "backup failed", "error", err)
		panic(http.ErrAbortHandler) // The client must not mistake the part that was sent for the whole.
	}
	s.Logger.InfoContext(r.Context(), "backup sent", "files", len(list.Files), "bytes", list.Bytes())
}

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
	control, err := datadir.OpenControl(s.cfg.DataDir, "http://"+listener.Addr().String())
	if err != nil {
		return fmt.Errorf("tell commands where to ask: %w", err)
	}
	s.onClose("control file", control.Close)
	mux := http.NewServeMux()
	mux.Handle("POST /backup", &backupHandler{service: s})
	s.add("control", serve(listener, control.Guard(mux)))
	return nil
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
	made, err := datadir.Prepare(r.Context(), s.cfg.DataDir, s.broker.Snapshot)
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "no backup", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer made.Remove()
	w.Header().Set("Content-Type", "application/gzip")
	list, err := made.Write(w, s.Version)
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "no backup", "error", err)
		panic(http.ErrAbortHandler) // What has been sent must not look like all of it.
	}
	s.Logger.InfoContext(r.Context(), "backed up", "files", len(list.Files), "bytes", list.Bytes())
}

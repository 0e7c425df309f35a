package post_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"iotmon/internal/notify"
	"iotmon/internal/notify/post"
)

func TestAnswersOfAllKinds(t *testing.T) {
	var elsewhere *httptest.Server
	reached := false
	elsewhere = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	status := func(path string, code int, location string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		})
	}
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+string(body))
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // Without it, the server does not notice that the client is gone.
		<-r.Context().Done()
	})
	status("/kept", http.StatusTemporaryRedirect, "/ok")
	status("/lost", http.StatusFound, "/ok")
	status("/elsewhere", http.StatusTemporaryRedirect, elsewhere.URL)
	status("/loop", http.StatusPermanentRedirect, "/loop")
	status("/busy", http.StatusServiceUnavailable, "")
	status("/login", http.StatusUnauthorized, "")
	status("/content", http.StatusUnprocessableEntity, "")
	client := post.New(post.Options{UserAgent: "iotmon/test"})
	for _, test := range []struct {
		path, answer, failure string
		final                 bool
	}{
		{"/ok", "POST{}", "", false},
		{"/kept", "POST{}", "", false},
		{"/lost", "", "loses the message", false},
		{"/elsewhere", "", "another host", false},
		{"/loop", "", "more than 3 times", false},
		{"/busy", "", "503", false},
		{"/login", "", "401", false},
		{"/content", "", "422", true},
		{"/hang", "", "deadline", false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		answer, err := client.JSON(ctx, server.URL+test.path+"?key=hidden", nil, []byte("{}"))
		cancel()
		if string(answer) != test.answer || (err == nil) != (test.failure == "") || err != nil && !strings.Contains(err.Error(), test.failure) {
			t.Errorf("%s: got %q, %v, want %q, %q", test.path, answer, err, test.answer, test.failure)
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || len(err.Error()) > 400) {
			t.Errorf("%s: %d bytes of error, or the key in it: %.500v", test.path, len(err.Error()), err)
		}
		if notify.IsRefused(err) != test.final {
			t.Errorf("%s: got final %v, want %v", test.path, !test.final, test.final)
		}
	}
	if reached {
		t.Error("a message went to another host")
	}
	server.Close()
	if _, err := client.JSON(t.Context(), server.URL+"/ok?key=hidden", nil, []byte("{}")); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("nobody listens: got %v, want an error without the key", err)
	}
}
